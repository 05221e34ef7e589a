{{- /*
What a full segment of a collection takes on a GPU of its engine, in MiB (2^20 bytes), for every
engine of the collection's namespace in turn: the raw vectors, an id of 8 bytes for each of them,
and what FAISS sets aside for its own use on a GPU of that size (getDefaultTempMemForGPU in its
StandardGpuResources.cpp). The operator computes the same in operator/quiver/domain/fit.py.
*/ -}}
{{- define "quiver.segmentVariables" -}}
- name: applies
  expression: >-
    object.spec.engineRef.name == params.metadata.name &&
    (!has(object.spec.engineRef.namespace) ||
    object.spec.engineRef.namespace == params.metadata.namespace) &&
    has(params.spec.gpu) && has(params.spec.gpu.minMemory)
- name: gpu
  expression: >-
    (int(quantity(string(params.spec.gpu.minMemory)).asApproximateFloat()) + 1048575) / 1048576
- name: faiss
  expression: "variables.gpu <= 4096 ? 512 : variables.gpu <= 8192 ? 1024 : 1536"
- name: rowBytes
  expression: >-
    object.spec.metricType in ['L2', 'IP'] ? object.spec.dimension * 4 : object.spec.dimension / 8
- name: ids
  expression: >-
    (object.spec.indexFileSize * 8 + variables.rowBytes - 1) / variables.rowBytes
- name: needed
  expression: object.spec.indexFileSize + variables.ids + variables.faiss
- name: needs
  expression: >-
    'a full segment takes ' + string(variables.needed) + ' MiB on a GPU (' +
    string(object.spec.indexFileSize) + ' for vectors, ' + string(variables.ids) + ' for ids, ' +
    string(variables.faiss) + ' for FAISS itself), and the GPUs of VectorEngine ' +
    params.metadata.name + ' are only known to have ' + string(variables.gpu) +
    ' MiB (.spec.gpu.minMemory)'
{{- end }}

{{- define "quiver.collectionsWithEngines" -}}
# The operator checks again, with the GPU that is really there: better no check here than one that
# cannot be made and keeps everybody from creating collections.
failurePolicy: Ignore
paramKind:
  apiVersion: quiver.dev/v1alpha1
  kind: VectorEngine
matchConstraints:
  resourceRules:
    # Not when one is changed: all that counts is fixed by then, and whatever became of the engine,
    # a collection must be able to go.
    - apiGroups: [quiver.dev]
      apiVersions: [v1alpha1]
      operations: [CREATE]
      resources: [vectorcollections]
{{- end }}

{{- define "quiver.everyEngine" -}}
# Every VectorEngine of the collection's namespace; the policy picks the one that is named.
paramRef:
  selector: {}
  parameterNotFoundAction: Allow
{{- end }}
