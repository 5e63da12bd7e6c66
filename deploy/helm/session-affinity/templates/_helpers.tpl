{{/* The name of all objects. */}}
{{- define "session-affinity.name" -}}
{{ .Values.fullnameOverride | default .Release.Name | trunc 57 | trimSuffix "-" }}
{{- end }}

{{/* What selects the Envoy pods. It never changes between releases: a Deployment's selector cannot be changed. */}}
{{- define "session-affinity.selector" -}}
app.kubernetes.io/name: session-affinity
app.kubernetes.io/instance: {{ toYaml .Release.Name }}
{{- end }}

{{/* metadata of an object. Arguments: root, suffix of the name, further labels, annotations. */}}
{{- define "session-affinity.metadata" -}}
name: {{ print (include "session-affinity.name" .root) .suffix | toYaml }}
{{- with .root.Values.namespace }}
namespace: {{ toYaml . }}
{{- end }}
labels:
  {{- include "session-affinity.selector" .root | nindent 2 }}
  app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* repository:tag, or repository@digest. Arguments: image, and the tag for an empty one. */}}
{{- define "session-affinity.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .tag }}
{{- end }}
{{- end }}

{{- define "session-affinity.module-image" -}}
{{- $tag := .Chart.AppVersion }}
{{- if eq .Values.module.source "init-container" }}{{ $tag = printf "%s-installer" $tag }}{{ end }}
{{- include "session-affinity.image" (dict "image" .Values.module.image "tag" $tag) }}
{{- end }}

{{/* The environment variable of a key. The filter reads it from Envoy's environment. */}}
{{- define "session-affinity.key-variable" -}}
SESSION_AFFINITY_KEY_{{ .id }}
{{- end }}

{{/* The cluster that a service's routes name themselves; empty where the filter names the cluster. */}}
{{- define "session-affinity.own-cluster" -}}
{{- $pin := dig "pin" "CLUSTER" (.affinity | default dict) }}
{{- if or (not .affinity) (eq $pin "ENDPOINT") }}{{ .cluster }}{{ end }}
{{- end }}

{{/* Whether a service ties sessions to endpoints: "true", or empty. */}}
{{- define "session-affinity.pins-endpoints" -}}
{{- if has (dig "pin" "CLUSTER" (.affinity | default dict)) (list "ENDPOINT" "CLUSTER_AND_ENDPOINT") }}true{{ end }}
{{- end }}

{{/* Whether a service must never move a session to another endpoint: "true", or empty. */}}
{{- define "session-affinity.strict" -}}
{{- if and (include "session-affinity.pins-endpoints" .) (eq "REJECT" (dig "onUnavailable" "REPIN" .affinity)) }}true{{ end }}
{{- end }}

{{/*
The stateful_session filters' place on the scale from nobody to everybody: "" where no service pins endpoints, "all" where
all of those that do reject, "some" where some of them do, "none" where none does.
*/}}
{{- define "session-affinity.strictness" -}}
{{- $pinning := 0 }}{{ $strict := 0 }}
{{- range .Values.services }}
{{- if include "session-affinity.pins-endpoints" . }}{{ $pinning = add1 $pinning }}{{ end }}
{{- if include "session-affinity.strict" . }}{{ $strict = add1 $strict }}{{ end }}
{{- end }}
{{- if gt (int $pinning) 0 }}
{{- if eq (int $strict) 0 }}none{{ else if eq (int $strict) (int $pinning) }}all{{ else }}some{{ end }}
{{- end }}
{{- end }}

{{- define "session-affinity.security-context" -}}
runAsNonRoot: true
runAsUser: 101
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
