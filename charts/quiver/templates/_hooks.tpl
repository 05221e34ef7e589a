{{- /* Labels of the pod of a hook: (list $ "suffix"). It must not be taken for the operator. */ -}}
{{- define "quiver.hookLabels" -}}
{{- $suffix := index . 1 }}
{{- $room := sub 62 (len $suffix) | int }}
app.kubernetes.io/name: {{ printf "%s-%s" (include "quiver.name" (index . 0) | trunc $room | trimSuffix "-") $suffix }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end }}

{{- /* Annotations of what uninstalls, with its weight. */ -}}
{{- define "quiver.uninstallHook" -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- /* What the pods of hooks have in common: they run where the operator may. */ -}}
{{- define "quiver.hookPod" -}}
restartPolicy: Never
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "quiver.hookContainer" -}}
image: {{ include "quiver.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
