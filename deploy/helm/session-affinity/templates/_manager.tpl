{{/*
Envoy's connection manager, for http and for https. Arguments: root, statPrefix.
*/}}
{{- define "session-affinity.manager" -}}
{{- $root := .root -}}
{{- $strictness := include "session-affinity.strictness" $root -}}
"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
stat_prefix: {{ .statPrefix }}
# Envoy ignores X-Forwarded-For from clients. It trusts only what trusted proxies in front of it add.
use_remote_address: true
{{- if $root.Values.trustedHops }}
xff_num_trusted_hops: {{ $root.Values.trustedHops }}
{{- end }}
{{- if $root.Values.accessLog }}
# One line of JSON for each request: the outcome, and where the request went.
access_log:
- name: envoy.access_loggers.stdout
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
    log_format:
      json_format:
        time: "%START_TIME%"
        client: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
        method: "%REQ(:METHOD)%"
        path: "%PATH(NQ)%"
        status: "%RESPONSE_CODE%"
        details: "%RESPONSE_CODE_DETAILS%"
        duration_ms: "%DURATION%"
        route: "%ROUTE_NAME%"
        outcome: "%FILTER_STATE(wasm.session_affinity_outcome:PLAIN)%"
        backend: "%UPSTREAM_CLUSTER%"
        endpoint: "%UPSTREAM_HOST%"
{{- end }}
# Envoy matches routes, and the filter matches cookie paths, with the path that the pod will use.
normalize_path: true
merge_slashes: true
# Only the filter may choose where a request goes.
early_header_mutation_extensions:
- name: envoy.http.early_header_mutation.header_mutation
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation
    mutations:
    - remove: x-affinity-cluster
    - remove: x-affinity-endpoint
# A request or a WebSocket ends when nothing is sent on it for this long.
stream_idle_timeout: {{ $root.Values.streamIdleTimeout }}
{{- if include "session-affinity.websockets" $root }}
# Off, except on routes that allow WebSockets.
upgrade_configs:
- upgrade_type: websocket
  enabled: false
{{- end }}
route_config:
  name: ingress
  # A host with a port, such as app.example.com:8080, is the same host.
  ignore_port_in_host_matching: true
  request_headers_to_remove: [x-affinity-cluster, x-affinity-endpoint]
  response_headers_to_remove: [x-affinity-cluster, x-affinity-endpoint]
  # Envoy answers 404 for any other host or path.
  virtual_hosts:
  {{- include "session-affinity.virtual-hosts" $root | trim | nindent 2 }}
http_filters:
# On a request, this filter runs before session_affinity: it makes Envoy choose the route again if an
# earlier filter cleared the route cache. On a response, it runs last: no client sees a pod's address.
- name: envoy.filters.http.header_mutation
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
    mutations:
      request_mutations:
      - remove: x-affinity-cluster
      - remove: x-affinity-endpoint
      response_mutations:
      - remove: x-affinity-endpoint
- name: session_affinity
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
    config:
      name: session_affinity
      # If the VM ever fails, Envoy loads it again. Until then, Envoy refuses requests.
      failure_policy: FAIL_RELOAD
      reload_config: {backoff: {base_interval: 0.05s}}
      vm_config:
        vm_id: session-affinity
        runtime: envoy.wasm.runtime.v8
        code: {local: {filename: /etc/session-affinity/plugin.wasm}}
        {{- with $root.Values.keys.list }}
        environment_variables:
          host_env_keys:
          {{- range . }}
          - {{ include "session-affinity.key-variable" . }}
          {{- end }}
        {{- end }}
      configuration:
        "@type": type.googleapis.com/google.protobuf.Struct
        value:
          {{- include "session-affinity.plugin" $root | nindent 10 }}
{{- if $strictness }}
# On a request, this filter uses the pod that session_affinity names. On a response, it names the pod that
# answered.
- name: envoy.filters.http.stateful_session
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3.StatefulSession
    {{- include "session-affinity.session-state" (eq $strictness "all") | nindent 4 }}
{{- end }}
- name: envoy.filters.http.router
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
{{- end }}

{{/* The settings of stateful_session. Argument: whether it is strict. */}}
{{- define "session-affinity.session-state" -}}
session_state:
  name: envoy.http.stateful_session.header
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState
    name: x-affinity-endpoint
{{- if . }}
# As `onUnavailable: REJECT` requires: 503 instead of another pod.
strict: true
{{- end }}
{{- end }}

{{/* The filter's configuration. */}}
{{- define "session-affinity.plugin" -}}
{{- $routes := .Values.routes -}}
{{- if .Values.filter.logOutcome -}}
# Gives the access log the outcome of each request.
logOutcome: true
{{ end -}}
{{- with .Values.filter.debugHeader -}}
debugHeader: {{ . }}
{{ end -}}
{{- with .Values.keys.list -}}
# The first key makes tokens, and every key reads them.
keys:
{{- range . }}
- {id: {{ toYaml .id }}, env: {{ include "session-affinity.key-variable" . }}}
{{- end }}
{{ end -}}
services:
{{- range $service := .Values.services }}
{{- if $service.affinity }}
- name: {{ toYaml $service.name }}
  routes:
  {{- range $routes }}
  {{- if eq .service $service.name }}
  {{- if include "session-affinity.retried" (dict "route" . "service" $service) }}
  - {{ toYaml (print .name "-repeatable") }}
  {{- end }}
  - {{ toYaml .name }}
  {{- end }}
  {{- end }}
  {{- toYaml $service.affinity | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}
