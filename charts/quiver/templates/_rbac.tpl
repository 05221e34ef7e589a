{{- /* The Role or ClusterRole with which an admin lets the operator use a namespace's Secrets. */ -}}
{{- define "quiver.secretsRole" -}}
{{- printf "%s:%s" .Release.Namespace (include "quiver.suffixed" (list . "secrets")) }}
{{- end }}

{{- /* What the operator may do with the objects that it watches, in whatever scope. */ -}}
{{- define "quiver.watchedRules" -}}
- apiGroups: [quiver.dev]
  resources: [vectorcollections]
  verbs: [get, list, watch, patch]
# Patched for the finalizer. Read one by one before what an engine has left behind is deleted.
- apiGroups: [quiver.dev]
  resources: [vectorengines]
  verbs: [get, list, watch, patch]
- apiGroups: [quiver.dev]
  resources: [vectorcollections/status, vectorengines/status]
  verbs: [patch]
# To have Kubernetes delete what an engine became, once Quiver is uninstalled (blockOwnerDeletion).
- apiGroups: [quiver.dev]
  resources: [vectorengines/finalizers]
  verbs: [update]
# What an engine becomes is deleted with it, when no collection is on it any more.
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
# Whether an engine's allowedNamespaces picks the namespace of a collection by its labels.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
# Patched where the same happens again: one Event counts, instead of many saying the same. Listed, by
# the object that they are about, where a pod of an engine is missing or waits for its volume: nothing
# else says why.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch, list]
{{- end }}

{{- /* Whether the CRD is being deleted, and with it all objects: their collections stay then. */ -}}
{{- define "quiver.crdRules" -}}
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames: [vectorcollections.quiver.dev]
  verbs: [get]
{{- end }}

{{- /* The Secrets that collections ask for by spec.binding and those that engines name in spec.tls
and spec.auth, one by one and by name; the latter are only read. Neither list nor watch. */ -}}
{{- define "quiver.secretsRules" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch, delete]
{{- end }}

{{- define "quiver.operatorSubject" -}}
- kind: ServiceAccount
  name: {{ include "quiver.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
