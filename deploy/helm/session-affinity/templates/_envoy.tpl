{{/* Envoy's configuration. */}}
{{- define "session-affinity.envoy" -}}
{{- $tls := .Values.tls.secrets }}
{{- $name := include "session-affinity.name" . | toYaml -}}
# Envoy needs a node id and a node cluster to read certificates from files.
node: {id: {{ $name }}, cluster: {{ $name }}}

admin:
  # Loopback only: this port can stop Envoy and show its configuration.
  address: {socket_address: {address: 127.0.0.1, port_value: 9901}}

# The filter's counters in Prometheus: session_affinity_outcome{service="neg-demo-svc", outcome="pinned"}
stats_config:
  stats_tags:
  - {tag_name: service, regex: '^wasmcustom\.session_affinity\.(service\.([\w-]+)\.)'}
  - {tag_name: outcome, regex: '^wasmcustom\.session_affinity\.service\.[\w-]+\.outcome(\.(\w+))$'}
  - {tag_name: backend, regex: '^wasmcustom\.session_affinity\.service\.[\w-]+\.backend(\.(.+))\.unavailable$'}

static_resources:
  listeners:
  - name: ingress
    address: {socket_address: {address: 0.0.0.0, port_value: 10000}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          {{- if and $tls .Values.tls.redirect }}
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: redirect
          route_config:
            name: redirect
            virtual_hosts:
            - name: redirect
              domains: ["*"]
              routes:
              - name: https
                match: {prefix: /}
                redirect: {https_redirect: true}
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
          {{- else }}
          {{- include "session-affinity.manager" (dict "root" . "statPrefix" "ingress") | nindent 10 }}
          {{- end }}
  {{- if $tls }}

  - name: ingress-https
    address: {socket_address: {address: 0.0.0.0, port_value: 10443}}
    listener_filters:
    - name: envoy.filters.listener.tls_inspector
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector
    filter_chains:
    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_params: {tls_minimum_protocol_version: TLSv1_2}
            # The certificates are in files of their own, so that Envoy reads a renewed certificate
            # without a restart.
            tls_certificate_sds_secret_configs:
            {{- range $tls }}
            - name: {{ toYaml . }}
              sds_config:
                resource_api_version: V3
                path_config_source: {path: /etc/envoy/tls-{{ . }}.yaml}
            {{- end }}
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          {{- include "session-affinity.manager" (dict "root" . "statPrefix" "ingress_https") | nindent 10 }}
  {{- end }}

  # For the kubelet: /ready answers 200, and 503 from the moment that the pod begins to end.
  - name: ready
    address: {socket_address: {address: 0.0.0.0, port_value: 9902}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ready
          route_config:
            name: ready
            virtual_hosts:
            - name: ready
              domains: ["*"]
              routes:
              - name: other
                match: {prefix: /}
                direct_response: {status: 404}
          http_filters:
          - name: envoy.filters.http.health_check
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck
              pass_through_mode: false
              headers:
              - name: ":path"
                string_match: {exact: /ready}
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  {{- if .Values.stats.enabled }}

  # For Prometheus: only /stats/prometheus of the admin interface.
  - name: stats
    address: {socket_address: {address: 0.0.0.0, port_value: 9903}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: stats
          route_config:
            name: stats
            virtual_hosts:
            - name: stats
              domains: ["*"]
              routes:
              - name: stats
                match:
                  path: /stats/prometheus
                  headers:
                  - name: ":method"
                    string_match: {exact: GET}
                route: {cluster: admin, timeout: 10s}
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  {{- end }}

  clusters:
  {{- range .Values.clusters }}
  {{- include "session-affinity.cluster" . | nindent 2 }}
  {{- end }}
  {{- if .Values.stats.enabled }}
  # Envoy's own admin interface, for the stats port.
  - name: admin
    type: STATIC
    connect_timeout: 1s
    common_lb_config: {healthy_panic_threshold: {value: 0}}
    load_assignment:
      cluster_name: admin
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}
  {{- end }}
{{- end }}
