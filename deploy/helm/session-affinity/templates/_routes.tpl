{{/* Whether any route allows WebSockets: "true", or empty. */}}
{{- define "session-affinity.websockets" -}}
{{- range .Values.routes }}{{ if .websocket }}true{{ end }}{{ end }}
{{- end }}

{{/* One virtual host for each host, with its routes in the order of the values. */}}
{{- define "session-affinity.virtual-hosts" -}}
{{- $root := . }}
{{- $services := dict }}{{ range .Values.services }}{{ $_ := set $services .name . }}{{ end }}
{{- $hosts := list }}
{{- range .Values.routes }}{{ range .hosts | default (list "*") }}{{ $hosts = append $hosts . }}{{ end }}{{ end }}
{{- range $host := uniq $hosts }}
- name: {{ $host | quote }}
  domains: [{{ $host | quote }}]
  routes:
  {{- range $route := $root.Values.routes }}
  {{- if has $host ($route.hosts | default (list "*")) }}
  {{- $arguments := dict "root" $root "route" $route "service" (get $services $route.service) }}
  {{- if include "session-affinity.retried" $arguments }}
  # Requests that may be sent twice. A pod that went away refuses or cuts them off. Envoy then tries
  # them on another pod, and the session moves there.
  {{- include "session-affinity.route" (merge (dict "repeatable" true) $arguments) | nindent 2 }}
  # All other requests: retry only if the pod never got the request.
  {{- end }}
  {{- include "session-affinity.route" $arguments | nindent 2 }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{/*
Whether requests of a route are retried on another pod. A service that rejects requests of lost sessions has no other pod
for them. Arguments: route, service.
*/}}
{{- define "session-affinity.retried" -}}
{{- if and (ne .route.retries false) (not (include "session-affinity.strict" .service)) }}true{{ end }}
{{- end }}

{{/* A route. Arguments: root, route, service, repeatable. */}}
{{- define "session-affinity.route" -}}
{{- $settings := .route.settings | default dict }}
{{- $path := .route.path | default "/" -}}
- name: {{ toYaml (print .route.name (ternary "-repeatable" "" (default false .repeatable))) }}
  match:
    {{- if eq (.route.match | default "PREFIX") "EXACT" }}
    path: {{ $path | quote }}
    {{- else if eq $path "/" }}
    prefix: /
    {{- else }}
    # {{ $path }} and {{ $path }}/..., but not {{ $path }}abc.
    path_separated_prefix: {{ $path | quote }}
    {{- end }}
    {{- if or .repeatable .route.headers }}
    headers:
    {{- with .route.headers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- if .repeatable }}
    - name: ":method"
      string_match: {safe_regex: {regex: "GET|HEAD|OPTIONS"}}
    {{- end }}
    {{- end }}
  route:
    {{- with include "session-affinity.own-cluster" .service }}
    cluster: {{ toYaml . }}
    {{- else }}
    cluster_header: x-affinity-cluster
    {{- end }}
    # The time limit for a whole response, which may be a stream. 0s means no limit. Envoy's default
    # is 15 s.
    timeout: {{ .route.timeout | default "0s" }}
    {{- if and (include "session-affinity.retried" .) (not (hasKey $settings "retry_policy")) }}
    retry_policy:
      retry_on: connect-failure,refused-stream,{{ if .repeatable }}reset{{ else }}reset-before-request{{ end }}
      num_retries: 2
      retry_host_predicate:
      - name: envoy.retry_host_predicates.previous_hosts
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate
      host_selection_retry_max_attempts: 5
    {{- end }}
    {{- if .route.websocket }}
    upgrade_configs:
    - upgrade_type: websocket
      enabled: true
    {{- end }}
    {{- with $settings }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- if and (eq "some" (include "session-affinity.strictness" .root)) (include "session-affinity.strict" .service) }}
  typed_per_filter_config:
    envoy.filters.http.stateful_session:
      "@type": type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute
      stateful_session:
        {{- include "session-affinity.session-state" true | nindent 8 }}
  {{- end }}
{{- end }}
