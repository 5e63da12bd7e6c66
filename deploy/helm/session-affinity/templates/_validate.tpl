{{/*
What a schema cannot say: names that must fit together. Each message says where, what is wrong, what is allowed, and
what was given.
*/}}
{{- define "session-affinity.validate" -}}
{{- include "session-affinity.validate-unique" (dict "list" .Values.clusters "path" "clusters" "field" "name") }}
{{- include "session-affinity.validate-unique" (dict "list" .Values.services "path" "services" "field" "name") }}
{{- include "session-affinity.validate-unique" (dict "list" .Values.routes "path" "routes" "field" "name") }}
{{- include "session-affinity.validate-unique" (dict "list" .Values.keys.list "path" "keys.list" "field" "id") }}
{{- include "session-affinity.validate-unique" (dict "list" .Values.keys.list "path" "keys.list" "field" "secretKey") }}
{{- include "session-affinity.validate-settings" (dict "list" .Values.clusters "path" "clusters" "taken" (list "name" "load_assignment" "connect_timeout")) }}
{{- include "session-affinity.validate-settings" (dict "list" .Values.routes "path" "routes" "taken" (list "cluster" "cluster_header" "weighted_clusters" "timeout" "upgrade_configs")) }}
{{- include "session-affinity.validate-routes" . }}
{{- include "session-affinity.validate-services" . }}
{{- if le (int .Values.terminationGracePeriodSeconds) (int .Values.drainSeconds) }}
{{- fail (printf "values error at terminationGracePeriodSeconds: Kubernetes would end Envoy before it has drained; allowed: more than drainSeconds, %v; given: %v" .Values.drainSeconds .Values.terminationGracePeriodSeconds) }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.stats.enabled) }}
{{- fail "values error at serviceMonitor.enabled: there is no port to read metrics from; set stats.enabled to true" }}
{{- end }}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) }}
{{- fail (printf "values error at autoscaling.minReplicas: allowed: at most maxReplicas, %v; given: %v" .Values.autoscaling.maxReplicas .Values.autoscaling.minReplicas) }}
{{- end }}
{{- $kubernetes := .Capabilities.KubeVersion.Version }}
{{- if and (eq .Values.module.source "image-volume") (semverCompare "<1.31.0-0" $kubernetes) }}
{{- fail (printf "values error at module.source: image volumes need Kubernetes 1.31 or later; allowed with %s: init-container; given: %q" $kubernetes .Values.module.source) }}
{{- end }}
{{- end }}

{{/* Fields of settings that the chart writes itself. Arguments: list, path, taken. */}}
{{- define "session-affinity.validate-settings" -}}
{{- $arguments := . }}
{{- range $index, $item := .list }}
{{- range $field, $_ := $item.settings | default dict }}
{{- if has $field $arguments.taken }}
{{- fail (printf "values error at %s[%d].settings.%s: the chart writes this field itself; use the values beside settings" $arguments.path $index $field) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Names that must be unique. Arguments: list, path, field. */}}
{{- define "session-affinity.validate-unique" -}}
{{- $seen := dict }}
{{- $arguments := . }}
{{- range $index, $item := .list }}
{{- $value := get $item $arguments.field }}
{{- if hasKey $seen $value }}
{{- fail (printf "values error at %s[%d].%s: another one has this %s already; given: %q" $arguments.path $index $arguments.field $arguments.field $value) }}
{{- end }}
{{- $_ := set $seen $value true }}
{{- end }}
{{- end }}

{{- define "session-affinity.validate-services" -}}
{{- $clusters := list }}{{ range .Values.clusters }}{{ $clusters = append $clusters .name }}{{ end }}
{{- $routed := list }}{{ range .Values.routes }}{{ $routed = append $routed .service }}{{ end }}
{{- $keys := .Values.keys.list }}
{{- $affinities := 0 }}
{{- range $index, $service := .Values.services }}
{{- $path := printf "services[%d]" $index }}
{{- if $service.affinity }}{{ $affinities = add1 $affinities }}{{ end }}
{{- $pin := dig "pin" "CLUSTER" ($service.affinity | default dict) }}
{{- if or (not $service.affinity) (eq $pin "ENDPOINT") }}
{{- if not $service.cluster }}
{{- fail (printf "values error at %s.cluster: missing; a service without affinity, or with pin ENDPOINT, has one cluster; allowed: %s" $path (join ", " $clusters)) }}
{{- end }}
{{- if not (has $service.cluster $clusters) }}
{{- fail (printf "values error at %s.cluster: no such cluster in clusters; allowed: %s; given: %q" $path (join ", " $clusters) $service.cluster) }}
{{- end }}
{{- else if $service.cluster }}
{{- fail (printf "values error at %s.cluster: with pin %s the filter chooses the cluster; list the clusters in affinity.backends instead" $path $pin) }}
{{- end }}
{{- range $number, $backend := dig "backends" list ($service.affinity | default dict) }}
{{- $cluster := $backend }}{{ if kindIs "map" $backend }}{{ $cluster = get $backend "cluster" }}{{ end }}
{{- if not (has $cluster $clusters) }}
{{- fail (printf "values error at %s.affinity.backends[%d]: no such cluster in clusters; allowed: %s; given: %q" $path $number (join ", " $clusters) $cluster) }}
{{- end }}
{{- end }}
{{- if and (include "session-affinity.pins-endpoints" $service) (not $keys) }}
{{- fail (printf "values error at keys.list: %s.affinity has pin %s, whose tokens hold addresses of pods and must be encrypted; add a key" $path $pin) }}
{{- end }}
{{- if not (has $service.name $routed) }}
{{- fail (printf "values error at %s: no route leads to this service; add a route with `service: %s`, or remove the service" $path $service.name) }}
{{- end }}
{{- end }}
{{- if eq (int $affinities) 0 }}
{{- fail "values error at services: no service has an affinity, so there is nothing for the filter to do; give one of them `affinity`" }}
{{- end }}
{{- end }}

{{- define "session-affinity.validate-routes" -}}
{{- $services := dict }}{{ range .Values.services }}{{ $_ := set $services .name . }}{{ end }}
{{- $timeouts := dict }}{{ range .Values.clusters }}{{ $_ := set $timeouts .name (.connectTimeout | default "1s") }}{{ end }}
{{- range $index, $route := .Values.routes }}
{{- if hasSuffix "-repeatable" $route.name }}
{{- fail (printf "values error at routes[%d].name: the chart makes routes with -repeatable behind their names itself; given: %q" $index $route.name) }}
{{- end }}
{{- if not (hasKey $services $route.service) }}
{{- fail (printf "values error at routes[%d].service: no such service in services; allowed: %s; given: %q" $index (keys $services | sortAlpha | join ", ") $route.service) }}
{{- end }}
{{- $service := get $services $route.service }}
{{- $clusters := list }}
{{- with $service.cluster }}{{ $clusters = append $clusters . }}{{ end }}
{{- range dig "backends" list ($service.affinity | default dict) }}
{{- if kindIs "map" . }}{{ $clusters = append $clusters .cluster }}{{ else }}{{ $clusters = append $clusters . }}{{ end }}
{{- end }}
{{- $timeout := trimSuffix "s" ($route.timeout | default "0s") | float64 }}
{{- range $clusters }}
{{- $connect := get $timeouts . }}
{{- if and (gt $timeout 0.0) (ge (trimSuffix "s" $connect | float64) $timeout) }}
{{- fail (printf "values error at routes[%d].timeout: the connectTimeout of cluster %s, %s, must be shorter, or a pod that does not answer is never found out; given: %s" $index . $connect $route.timeout) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
