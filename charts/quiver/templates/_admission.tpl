{{- /*
What a full segment of a collection takes on a GPU of its engine, in MiB (2^20 bytes), for every
engine of the collection's namespace in turn: the raw vectors, an id of 8 bytes for each of them,
and what FAISS sets aside for its own use on a GPU of that size (getDefaultTempMemForGPU in its
StandardGpuResources.cpp). The operator computes the same in operator/quiver/domain/fit.py.

An expression that reads an absent field fails, and failurePolicy has it pass over: has() comes first.
What absent means depends on the engine's type: operator/quiver/domain/capabilities.py.
*/ -}}
{{- define "quiver.segmentVariables" -}}
- name: applies
  expression: >-
    object.spec.engineRef.name == params.metadata.name &&
    (!has(object.spec.engineRef.namespace) ||
    object.spec.engineRef.namespace == params.metadata.namespace) &&
    has(params.spec.gpu) && has(params.spec.gpu.minMemory) && has(object.spec.dimension) &&
    (!has(params.spec.type) || params.spec.type != 'Milvus')
- name: indexFileSize
  expression: "has(object.spec.indexFileSize) ? object.spec.indexFileSize : 1024"
- name: metricType
  expression: "has(object.spec.metricType) ? object.spec.metricType : 'L2'"
- name: gpu
  expression: >-
    (int(quantity(string(params.spec.gpu.minMemory)).asApproximateFloat()) + 1048575) / 1048576
- name: faiss
  expression: "variables.gpu <= 4096 ? 512 : variables.gpu <= 8192 ? 1024 : 1536"
- name: rowBytes
  expression: >-
    variables.metricType in ['L2', 'IP'] ? object.spec.dimension * 4 : object.spec.dimension / 8
- name: ids
  expression: >-
    (variables.indexFileSize * 8 + variables.rowBytes - 1) / variables.rowBytes
- name: needed
  expression: variables.indexFileSize + variables.ids + variables.faiss
- name: needs
  expression: >-
    'a full segment takes ' + string(variables.needed) + ' MiB on a GPU (' +
    string(variables.indexFileSize) + ' for vectors, ' + string(variables.ids) + ' for ids, ' +
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

{{- /* What engines of a type take, as operator/quiver/domain/takes.py has it: each metric with the
index types over it, and the parameters of each index type of Milvus 1.x. */ -}}
{{- define "quiver.takesVariables" -}}
- name: applies
  expression: >-
    object.spec.engineRef.name == params.metadata.name &&
    (!has(object.spec.engineRef.namespace) ||
    object.spec.engineRef.namespace == params.metadata.namespace)
- name: type
  expression: "has(params.spec.type) ? params.spec.type : 'Quiver'"
- name: metricType
  expression: "has(object.spec.metricType) ? object.spec.metricType : 'L2'"
- name: index
  expression: "has(object.spec.index) && has(object.spec.index.type) ? object.spec.index.type : ''"
- name: ofMilvus1
  expression: >-
    {
    'L2': ['IVF_FLAT', 'IVF_SQ8', 'IVF_SQ8H', 'IVF_PQ', 'HNSW', 'RNSG', 'ANNOY'],
    'IP': ['IVF_FLAT', 'IVF_SQ8', 'IVF_SQ8H', 'IVF_PQ', 'HNSW', 'RNSG', 'ANNOY'],
    'HAMMING': ['IVF_FLAT'],
    'JACCARD': ['IVF_FLAT'],
    'TANIMOTO': ['IVF_FLAT'],
    'SUBSTRUCTURE': [],
    'SUPERSTRUCTURE': []
    }
- name: ofMilvus
  expression: >-
    {
    'L2': ['IVF_FLAT', 'IVF_SQ8', 'IVF_PQ', 'HNSW', 'AUTOINDEX', 'DISKANN', 'SCANN', 'GPU_CAGRA',
    'GPU_IVF_FLAT', 'GPU_IVF_PQ', 'GPU_BRUTE_FORCE'],
    'IP': ['IVF_FLAT', 'IVF_SQ8', 'IVF_PQ', 'HNSW', 'AUTOINDEX', 'DISKANN', 'SCANN', 'GPU_CAGRA',
    'GPU_IVF_FLAT', 'GPU_IVF_PQ', 'GPU_BRUTE_FORCE'],
    'COSINE': ['IVF_FLAT', 'IVF_SQ8', 'IVF_PQ', 'HNSW', 'AUTOINDEX', 'DISKANN', 'SCANN'],
    'HAMMING': ['IVF_FLAT'],
    'JACCARD': ['IVF_FLAT'],
    'SUBSTRUCTURE': [],
    'SUPERSTRUCTURE': []
    }
- name: indexes
  expression: "variables.type == 'Milvus' ? variables.ofMilvus : variables.ofMilvus1"
- name: taken
  expression: >-
    variables.metricType in variables.indexes ? variables.indexes[variables.metricType] : []
- name: known
  expression: >-
    {
    'IVF_FLAT': ['nlist'],
    'IVF_SQ8': ['nlist'],
    'IVF_SQ8H': ['nlist'],
    'IVF_PQ': ['nlist', 'm', 'nbits'],
    'HNSW': ['M', 'efConstruction'],
    'RNSG': ['search_length', 'out_degree', 'candidate_pool_size', 'knng'],
    'ANNOY': ['n_trees']
    }
- name: unknown
  expression: >-
    variables.type == 'Milvus' || !(variables.index in variables.known) ||
    !has(object.spec.index.params) ? [] :
    object.spec.index.params.filter(name, !(name in variables.known[variables.index]))
- name: segmentSize
  expression: >-
    has(params.spec.milvus) && has(params.spec.milvus.segmentMaxSize) ?
    int(params.spec.milvus.segmentMaxSize) : 0
- name: engine
  expression: "'engines of type ' + variables.type"
{{- end }}

{{- /* Fields of a VectorEngine that changed and are part of its pods: POD_FIELDS in
operator/quiver/domain/ephemeral_data.py. */ -}}
{{- define "quiver.changedPodFields" -}}
- name: changedPodFields
  expression: >-
    (object.spec.?image == oldObject.spec.?image ? [] : ['image']) +
    (object.spec.?gpu == oldObject.spec.?gpu ? [] : ['gpu']) +
    (object.spec.?resources == oldObject.spec.?resources ? [] : ['resources']) +
    (object.spec.?nodeSelector == oldObject.spec.?nodeSelector ? [] : ['nodeSelector']) +
    (object.spec.?tolerations == oldObject.spec.?tolerations ? [] : ['tolerations']) +
    (object.spec.?affinity == oldObject.spec.?affinity ? [] : ['affinity']) +
    (object.spec.?imagePullSecrets == oldObject.spec.?imagePullSecrets ? [] : ['imagePullSecrets']) +
    (object.spec.?podLabels == oldObject.spec.?podLabels ? [] : ['podLabels']) +
    (object.spec.?podAnnotations == oldObject.spec.?podAnnotations ? [] : ['podAnnotations']) +
    (object.spec.?priorityClassName == oldObject.spec.?priorityClassName ? [] : ['priorityClassName']) +
    (object.spec.?runtimeClassName == oldObject.spec.?runtimeClassName ? [] : ['runtimeClassName']) +
    (object.spec.?serviceAccountName == oldObject.spec.?serviceAccountName ? [] : ['serviceAccountName']) +
    (object.spec.?topologySpreadConstraints == oldObject.spec.?topologySpreadConstraints ? [] :
    ['topologySpreadConstraints']) +
    (object.spec.?terminationGracePeriodSeconds == oldObject.spec.?terminationGracePeriodSeconds ?
    [] : ['terminationGracePeriodSeconds']) +
    (object.spec.?tls.?secretName == oldObject.spec.?tls.?secretName &&
    object.spec.?tls.?clientCASecretName == oldObject.spec.?tls.?clientCASecretName ? [] : ['tls'])
    + (object.spec.?type.orValue('Quiver') != 'Quiver' ||
    [int(object.spec.?limits.?maxCollectionsAndPartitions.orValue(4096)), 4096].max() ==
    [int(oldObject.spec.?limits.?maxCollectionsAndPartitions.orValue(4096)), 4096].max() ?
    [] : ['limits']) +
    (object.spec.?milvus.?segmentMaxSize == oldObject.spec.?milvus.?segmentMaxSize ?
    [] : ['milvus'])
{{- end }}
