{{- define "quiver.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* The name of the release's objects; the release's own where that says quiver already. */ -}}
{{- define "quiver.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "quiver.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "quiver.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* A name of at most 63 characters made from the full name and a suffix: (list $ "suffix"). */ -}}
{{- define "quiver.suffixed" -}}
{{- $suffix := index . 1 }}
{{- $room := sub 62 (len $suffix) | int }}
{{- printf "%s-%s" (include "quiver.fullname" (index . 0) | trunc $room | trimSuffix "-") $suffix }}
{{- end }}

{{- /* For ClusterRoles, and for Roles in namespaces of others: two releases of one name must not
fight over them. */ -}}
{{- define "quiver.clusterRole" -}}
{{- printf "%s:%s" .Release.Namespace (include "quiver.fullname" .) }}
{{- end }}

{{- /* The same for kinds whose names take no colon: (list $ "suffix"). */ -}}
{{- define "quiver.clusterName" -}}
{{- $release := index . 0 }}
{{- printf "%s.%s" $release.Release.Namespace (include "quiver.suffixed" .) }}
{{- end }}

{{- define "quiver.selectorLabels" -}}
app.kubernetes.io/name: {{ include "quiver.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "quiver.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "quiver.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with omit .Values.commonLabels "helm.sh/chart" "app.kubernetes.io/name" "app.kubernetes.io/instance"
  "app.kubernetes.io/version" "app.kubernetes.io/managed-by" }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Annotations and labels of an object: (list $ annotations), where those given stand before the
common ones. */ -}}
{{- define "quiver.metadata" }}
  {{- $release := index . 0 }}
  {{- with merge (dict) (index . 1) $release.Values.commonAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  labels:
    {{- include "quiver.labels" $release | nindent 4 }}
{{- end }}

{{- define "quiver.image" -}}
{{- $tag := .Values.image.tag }}
{{- if not .Values.image.digest }}{{ $tag = $tag | default .Chart.AppVersion }}{{ end }}
{{- .Values.image.repository | default (printf "%s/quiver-operator" .Values.imageRegistry) }}{{ with $tag }}:{{ . }}{{ end }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "quiver.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "quiver.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}
