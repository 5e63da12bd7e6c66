{{/* An Envoy cluster. The fields of its settings replace the ones here. */}}
{{- define "session-affinity.cluster" -}}
{{- $settings := .settings | default dict -}}
- name: {{ toYaml .name }}
  {{- if not (hasKey $settings "type") }}
  # Every address that DNS returns for the headless Service is an endpoint.
  type: STRICT_DNS
  {{- end }}
  {{- if not (hasKey $settings "dns_lookup_family") }}
  dns_lookup_family: V4_PREFERRED
  {{- end }}
  {{- if not (hasKey $settings "dns_refresh_rate") }}
  dns_refresh_rate: 2s
  {{- end }}
  {{- if not (hasKey $settings "lb_policy") }}
  lb_policy: LEAST_REQUEST
  {{- end }}
  connect_timeout: {{ .connectTimeout | default "1s" }}
  {{- if not (hasKey $settings "common_lb_config") }}
  common_lb_config:
    # When no pod is healthy, fail at once.
    healthy_panic_threshold: {value: 0}
    # Pods in one of these states keep their sessions.
    override_host_status: {statuses: [UNKNOWN, HEALTHY, DEGRADED, DRAINING]}
  {{- end }}
  {{- if not (hasKey $settings "outlier_detection") }}
  # Three consecutive requests that cannot connect, or five that the pod answers with 502, 503 or 504,
  # eject the pod for 30 seconds.
  outlier_detection:
    split_external_local_origin_errors: true
    consecutive_local_origin_failure: 3
    consecutive_gateway_failure: 5
    enforcing_consecutive_gateway_failure: 100
    # An application's own 500 is no reason to move its sessions.
    enforcing_consecutive_5xx: 0
    enforcing_success_rate: 0
    enforcing_local_origin_success_rate: 0
    base_ejection_time: 30s
    max_ejection_percent: 50
  {{- end }}
  {{- if not (hasKey $settings "circuit_breakers") }}
  # By default, Envoy allows three retries at the same time. A request that needs one more gets 503.
  circuit_breakers:
    thresholds: [{max_retries: 1024}]
  {{- end }}
  {{- if and (eq (.protocol | default "HTTP1") "HTTP2") (not (hasKey $settings "typed_extension_protocol_options")) }}
  typed_extension_protocol_options:
    envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
      "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
      explicit_http_config: {http2_protocol_options: {}}
  {{- end }}
  {{- with $settings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  load_assignment:
    cluster_name: {{ toYaml .name }}
    endpoints:
    - lb_endpoints:
      - endpoint: {address: {socket_address: {address: {{ .host | default .name | toYaml }}, port_value: {{ .port }}}}}
{{- end }}
