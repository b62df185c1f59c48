"""The types of the objects that the demo cluster stores, as a table that ``schema`` reads.

A line at the margin is a type and what it is; the indented lines below it are its fields, parted by semicolons:

    name number shape [by KEY | merge] [retain] [required] [-- what it is]

``number`` is the field's number in Kubernetes' protobuf encoding, which kubectl sends for what it creates by flags. ``shape`` is the type's
name, ``[type]`` for a list, ``{type}`` for a map from strings and ``~type`` for fields that stand in the object itself. ``by KEY`` is the
strategic merge patch's key of a list, ``merge`` says that a list of plain values is merged as a set, ``retain`` that a patch names what stays.
"""

TYPES = """\
Pod: A group of containers that run together on one node.
    metadata 1 ObjectMeta -- Name, labels, versions; spec 2 PodSpec -- What is wanted; status 3 PodStatus -- What was last seen
ConfigMap: Configuration as key-value pairs, for pods to consume.
    metadata 1 ObjectMeta -- Name, labels, versions; immutable 4 bool -- Whether the data may no longer change;
    data 2 {string} -- The configuration, as text; binaryData 3 {bytes} -- The configuration, as bytes
Secret: Sensitive data as key-value pairs. Values are base64 in JSON.
    metadata 1 ObjectMeta -- Name, labels, versions; immutable 5 bool; data 2 {bytes} -- The secret data, base64;
    stringData 4 {string} -- Data as text, moved to data by the server; type 3 string -- What the data is for
Service: A stable name and address for a set of pods.
    metadata 1 ObjectMeta -- Name, labels, versions; spec 2 ServiceSpec -- What is wanted;
    status 3 ServiceStatus -- What was last seen
Namespace: A scope for names.
    metadata 1 ObjectMeta -- Name, labels, versions; spec 2 NamespaceSpec -- What is wanted;
    status 3 NamespaceStatus -- What was last seen
Node: A machine that runs pods.
    metadata 1 ObjectMeta -- Name, labels, versions; spec 2 NodeSpec -- What is wanted; status 3 NodeStatus -- What was last seen
ServiceAccount: An identity for processes that run in pods.
    metadata 1 ObjectMeta -- Name, labels, versions; secrets 2 [ObjectReference] by name; imagePullSecrets 3 [LocalObjectReference];
    automountServiceAccountToken 4 bool
Event: A report of something that happened to an object.
    metadata 1 ObjectMeta required -- Name, labels, versions; involvedObject 2 ObjectReference required; reason 3 string;
    message 4 string; source 5 EventSource; firstTimestamp 6 Time; lastTimestamp 7 Time; count 8 int; type 9 string;
    eventTime 10 MicroTime; series 11 EventSeries; action 12 string; related 13 ObjectReference; reportingComponent 14 string;
    reportingInstance 15 string
Deployment: Keeps a number of interchangeable pods running and replaces them step by step when their template changes.
    metadata 1 ObjectMeta -- Name, labels, versions; spec 2 DeploymentSpec required -- What is wanted;
    status 3 DeploymentStatus -- What was last seen
ReplicaSet: Keeps a number of pods of one template running.
    metadata 1 ObjectMeta -- Name, labels, versions; spec 2 ReplicaSetSpec required -- What is wanted;
    status 3 ReplicaSetStatus -- What was last seen
Scale: The number of replicas of a scalable object.
    metadata 1 ObjectMeta -- Name, labels, versions; spec 2 ScaleSpec -- What is wanted; status 3 ScaleStatus -- What was last seen
SelfSubjectAccessReview: Asks whether the asking user may do something.
    metadata 1 ObjectMeta; spec 2 SelfSubjectAccessReviewSpec required; status 3 SubjectAccessReviewStatus
SelfSubjectRulesReview:
    metadata 1 ObjectMeta; spec 2 SelfSubjectRulesReviewSpec required; status 3 SubjectRulesReviewStatus
SelfSubjectReview: Asks who the asking user is.
    metadata 1 ObjectMeta; status 2 SelfSubjectReviewStatus
TokenRequest: Asks for a token of a service account.
    metadata 1 ObjectMeta; spec 2 TokenRequestSpec; status 3 TokenRequestStatus
DeleteOptions:
    gracePeriodSeconds 1 int; preconditions 2 Preconditions; orphanDependents 3 bool; propagationPolicy 4 string; dryRun 5 [string];
    ignoreStoreReadErrorWithClusterBreakingPotential 6 bool
ObjectMeta: What every stored object has: name, labels, versions.
    name 1 string -- Unique in its namespace among objects of its kind;
    generateName 2 string -- A prefix from which the server makes a unique name; namespace 3 string -- The scope of the name;
    selfLink 4 string; uid 5 string -- Unique in time and space; resourceVersion 6 string -- Changes with each write, opaque;
    generation 7 int -- Counts the changes of the spec; creationTimestamp 8 Time -- When the object was created;
    deletionTimestamp 9 Time -- When the object will be gone; deletionGracePeriodSeconds 10 int;
    labels 11 {string} -- Pairs to select objects by; annotations 12 {string} -- Pairs of any further data;
    ownerReferences 13 [OwnerReference] by uid -- The objects that this one depends on;
    finalizers 14 [string] merge -- Names that must be removed before the object goes; managedFields 17 [any]
PodSpec: What should run, and how.
    volumes 1 [Volume] by name retain -- Directories that the containers can mount;
    initContainers 20 [Container] by name -- Programs that run one after the other before the containers start;
    containers 2 [Container] by name required -- The programs to run, at least one;
    ephemeralContainers 34 [EphemeralContainer] by name -- Programs added to the running pod for debugging;
    restartPolicy 3 string -- Always, OnFailure or Never;
    terminationGracePeriodSeconds 4 int -- How long the containers may take to end; activeDeadlineSeconds 5 int; dnsPolicy 6 string;
    nodeSelector 7 {string} -- Labels that the node must have; serviceAccountName 8 string -- Whom the pod acts as;
    serviceAccount 9 string; automountServiceAccountToken 21 bool; nodeName 10 string -- The node that the pod runs on;
    hostNetwork 11 bool; hostPID 12 bool; hostIPC 13 bool; shareProcessNamespace 27 bool; securityContext 14 PodSecurityContext;
    imagePullSecrets 15 [LocalObjectReference] by name; hostname 16 string -- The pod's host name, its own name by default;
    subdomain 17 string; affinity 18 Affinity -- Where the pod would rather run; schedulerName 19 string;
    tolerations 22 [Toleration] -- Taints of nodes that the pod puts up with; hostAliases 23 [HostAlias] by ip;
    priorityClassName 24 string; priority 25 int; dnsConfig 26 PodDNSConfig; readinessGates 28 [PodReadinessGate];
    runtimeClassName 29 string; enableServiceLinks 30 bool; preemptionPolicy 31 string; overhead 32 {Quantity};
    topologySpreadConstraints 33 [TopologySpreadConstraint] by topologyKey; setHostnameAsFQDN 35 bool; os 36 PodOS;
    hostUsers 37 bool; resources 40 ResourceRequirements; hostnameOverride 41 string
PodStatus: What was last seen of the pod.
    observedGeneration 17 int; phase 1 string -- Pending, Running, Succeeded, Failed or Unknown;
    conditions 2 [PodCondition] by type -- The steps of the pod's life that it has reached; message 3 string; reason 4 string;
    nominatedNodeName 11 string; hostIP 5 string; hostIPs 16 [HostIP] by ip; podIP 6 string -- The pod's address in the cluster;
    podIPs 12 [PodIP] by ip; startTime 7 Time -- When the node took the pod; initContainerStatuses 10 [ContainerStatus];
    containerStatuses 8 [ContainerStatus] -- What was last seen of each container; qosClass 9 string;
    ephemeralContainerStatuses 13 [ContainerStatus]; resize 14 string; allocatedResources 19 {Quantity};
    resources 20 ResourceRequirements
ServiceSpec: How the service is reached.
    ports 1 [ServicePort] by port -- The ports on which the service is reached; selector 2 {string} -- The labels of its pods;
    clusterIP 3 string -- The service's address in the cluster; clusterIPs 18 [string];
    type 4 string -- ClusterIP, NodePort, LoadBalancer or ExternalName; externalIPs 5 [string]; sessionAffinity 7 string;
    loadBalancerIP 8 string; loadBalancerSourceRanges 9 [string]; externalName 10 string; externalTrafficPolicy 11 string;
    healthCheckNodePort 12 int; publishNotReadyAddresses 13 bool; sessionAffinityConfig 14 SessionAffinityConfig;
    ipFamilies 19 [string]; ipFamilyPolicy 17 string; allocateLoadBalancerNodePorts 20 bool; loadBalancerClass 21 string;
    internalTrafficPolicy 22 string; trafficDistribution 23 string
ServiceStatus:
    loadBalancer 1 LoadBalancerStatus; conditions 2 [Condition] by type
NamespaceSpec:
    finalizers 1 [string]
NamespaceStatus:
    phase 1 string; conditions 2 [NamespaceCondition] by type
NodeSpec:
    podCIDR 1 string; podCIDRs 7 [string] merge; providerID 3 string; unschedulable 4 bool; taints 5 [Taint]; externalID 2 string
NodeStatus:
    capacity 1 {Quantity}; allocatable 2 {Quantity}; phase 3 string; conditions 4 [NodeCondition] by type;
    addresses 5 [NodeAddress] by type; daemonEndpoints 6 NodeDaemonEndpoints; nodeInfo 7 NodeSystemInfo; images 8 [ContainerImage];
    volumesInUse 9 [string]; declaredFeatures 14 [string]
ObjectReference:
    kind 1 string; namespace 2 string; name 3 string; uid 4 string; apiVersion 5 string; resourceVersion 6 string;
    fieldPath 7 string
LocalObjectReference:
    name 1 string
EventSource:
    component 1 string; host 2 string
EventSeries:
    count 1 int; lastObservedTime 2 MicroTime
DeploymentSpec: What the deployment should keep running.
    replicas 1 int -- How many pods there should be, 1 by default;
    selector 2 LabelSelector required -- Which pods are the deployment's;
    template 3 PodTemplateSpec required -- From which its pods are made;
    strategy 4 DeploymentStrategy retain -- How old pods are replaced by new ones;
    minReadySeconds 5 int -- How long a new pod must be ready to count as available;
    revisionHistoryLimit 6 int -- How many old replica sets are kept for a rollback; paused 7 bool -- Whether changes wait;
    progressDeadlineSeconds 9 int -- How long a rollout may stand still before it is reported as failed
DeploymentStatus: What was last seen of the deployment.
    observedGeneration 1 int; replicas 2 int; updatedReplicas 3 int; readyReplicas 7 int; availableReplicas 4 int;
    unavailableReplicas 5 int; terminatingReplicas 9 int; conditions 6 [DeploymentCondition] by type; collisionCount 8 int
ReplicaSetSpec:
    replicas 1 int -- How many pods there should be; minReadySeconds 4 int;
    selector 2 LabelSelector required -- Which pods are the replica set's;
    template 3 PodTemplateSpec -- From which its pods are made
ReplicaSetStatus:
    replicas 1 int required; fullyLabeledReplicas 2 int; readyReplicas 4 int; availableReplicas 5 int; terminatingReplicas 7 int;
    observedGeneration 3 int; conditions 6 [ReplicaSetCondition] by type
ScaleSpec:
    replicas 1 int
ScaleStatus:
    replicas 1 int required; selector 2 string
SelfSubjectAccessReviewSpec:
    resourceAttributes 1 ResourceAttributes; nonResourceAttributes 2 NonResourceAttributes
SubjectAccessReviewStatus:
    allowed 1 bool required; denied 4 bool; reason 2 string; evaluationError 3 string
SelfSubjectRulesReviewSpec:
    namespace 1 string
SubjectRulesReviewStatus:
    resourceRules 1 [ResourceRule] required; nonResourceRules 2 [NonResourceRule] required; incomplete 3 bool required;
    evaluationError 4 string
SelfSubjectReviewStatus:
    userInfo 1 UserInfo
TokenRequestSpec:
    audiences 1 [string]; expirationSeconds 4 int; boundObjectRef 3 BoundObjectReference
TokenRequestStatus:
    token 1 string; expirationTimestamp 2 Time
Preconditions:
    uid 1 string; resourceVersion 2 string
OwnerReference: Whose part this object is, deleted with its owner.
    apiVersion 5 string required; kind 1 string required; name 3 string required; uid 4 string required; controller 6 bool;
    blockOwnerDeletion 7 bool
Volume: A directory that containers can mount.
    name 1 string required; volumeSource 2 ~VolumeSource
Container: One program of a pod.
    name 1 string required -- Unique in the pod; image 2 string -- What to run;
    command 3 [string] -- Replaces the image's entry point; args 4 [string] -- The arguments of the command;
    workingDir 5 string -- Where the program starts;
    ports 6 [ContainerPort] by containerPort -- The ports that the program listens on;
    envFrom 19 [EnvFromSource] -- Where further environment variables come from; env 7 [EnvVar] by name -- Environment variables;
    resources 8 ResourceRequirements -- What the program needs and may use; restartPolicy 24 string;
    volumeMounts 9 [VolumeMount] by mountPath -- Volumes that the program sees; volumeDevices 21 [VolumeDevice] by devicePath;
    livenessProbe 10 Probe -- Restarts the container when it fails;
    readinessProbe 11 Probe -- Takes the pod out of its services when it fails; startupProbe 22 Probe; lifecycle 12 Lifecycle;
    terminationMessagePath 13 string; terminationMessagePolicy 20 string; imagePullPolicy 14 string -- Always, IfNotPresent or Never;
    securityContext 15 SecurityContext; stdin 16 bool -- Whether the program has an input to attach to; stdinOnce 17 bool;
    tty 18 bool -- Whether the program runs on a terminal
EphemeralContainer:
    ephemeralContainerCommon 1 ~EphemeralContainerCommon; targetContainerName 2 string
PodSecurityContext: With which privileges all of a pod's containers run.
    seLinuxOptions 1 SELinuxOptions; runAsUser 2 int; runAsGroup 6 int; runAsNonRoot 3 bool; supplementalGroups 4 [int];
    supplementalGroupsPolicy 12 string; fsGroup 5 int; sysctls 7 [Sysctl]; fsGroupChangePolicy 9 string;
    seccompProfile 10 SeccompProfile; appArmorProfile 11 AppArmorProfile; seLinuxChangePolicy 13 string
Affinity:
    nodeAffinity 1 NodeAffinity; podAffinity 2 PodAffinity; podAntiAffinity 3 PodAntiAffinity
Toleration: Which taints of nodes the pod puts up with.
    key 1 string; operator 2 string; value 3 string; effect 4 string; tolerationSeconds 5 int
HostAlias:
    ip 1 string required; hostnames 2 [string]
PodDNSConfig:
    nameservers 1 [string]; searches 2 [string]; options 3 [PodDNSConfigOption]
PodReadinessGate:
    conditionType 1 string required
TopologySpreadConstraint:
    maxSkew 1 int required; topologyKey 2 string required; whenUnsatisfiable 3 string required; labelSelector 4 LabelSelector;
    minDomains 5 int; nodeAffinityPolicy 6 string; nodeTaintsPolicy 7 string; matchLabelKeys 8 [string]
PodOS:
    name 1 string required
ResourceRequirements: What a container needs at least and may have at most.
    limits 1 {Quantity}; requests 2 {Quantity}; claims 3 [ResourceClaim]
PodCondition:
    type 1 string required; observedGeneration 7 int; status 2 string required; lastProbeTime 3 Time; lastTransitionTime 4 Time;
    reason 5 string; message 6 string
HostIP:
    ip 1 string required
PodIP:
    ip 1 string required
ContainerStatus:
    name 1 string required; state 2 ContainerState; lastState 3 ContainerState; ready 4 bool required; restartCount 5 int required;
    image 6 string required; imageID 7 string required; containerID 8 string; started 9 bool; allocatedResources 10 {Quantity};
    resources 11 ResourceRequirements; stopSignal 15 string
ServicePort:
    name 1 string; protocol 2 string; appProtocol 6 string; port 3 int required; targetPort 4 IntOrString; nodePort 5 int
SessionAffinityConfig:
    clientIP 1 ClientIPConfig
LoadBalancerStatus:
    ingress 1 [LoadBalancerIngress]
Condition:
    type 1 string required; status 2 string required; observedGeneration 3 int; lastTransitionTime 4 Time required;
    reason 5 string required; message 6 string required
NamespaceCondition:
    type 1 string required; status 2 string required; lastTransitionTime 4 Time; reason 5 string; message 6 string
Taint:
    key 1 string required; value 2 string; effect 3 string required; timeAdded 4 Time
NodeCondition:
    type 1 string required; status 2 string required; lastHeartbeatTime 3 Time; lastTransitionTime 4 Time; reason 5 string;
    message 6 string
NodeAddress:
    type 1 string required; address 2 string required
NodeDaemonEndpoints:
    kubeletEndpoint 1 DaemonEndpoint
NodeSystemInfo:
    machineID 1 string required; systemUUID 2 string required; bootID 3 string required; kernelVersion 4 string required;
    osImage 5 string required; containerRuntimeVersion 6 string required; kubeletVersion 7 string required;
    kubeProxyVersion 8 string required; operatingSystem 9 string required; architecture 10 string required
ContainerImage:
    names 1 [string]; sizeBytes 2 int
LabelSelector: Which objects are meant, by their labels. All requirements must hold.
    matchLabels 1 {string} -- Labels that must have these values;
    matchExpressions 2 [LabelSelectorRequirement] -- Further requirements on labels
PodTemplateSpec: From which pods are made.
    metadata 1 ObjectMeta; spec 2 PodSpec
DeploymentStrategy:
    type 1 string; rollingUpdate 2 RollingUpdateDeployment
DeploymentCondition:
    type 1 string; status 2 string; lastUpdateTime 6 Time; lastTransitionTime 7 Time; reason 4 string; message 5 string
ReplicaSetCondition:
    type 1 string; status 2 string; lastTransitionTime 3 Time; reason 4 string; message 5 string
ResourceAttributes:
    namespace 1 string; verb 2 string; group 3 string; version 4 string; resource 5 string; subresource 6 string; name 7 string
NonResourceAttributes:
    path 1 string; verb 2 string
ResourceRule:
    verbs 1 [string] required; apiGroups 2 [string]; resources 3 [string]; resourceNames 4 [string]
NonResourceRule:
    verbs 1 [string] required; nonResourceURLs 2 [string]
UserInfo:
    username 1 string; uid 2 string; groups 3 [string]; extra 4 {[string]}
BoundObjectReference:
    kind 1 string; apiVersion 2 string; name 3 string; uID 4 string
VolumeSource:
    hostPath 1 HostPathVolumeSource; emptyDir 2 EmptyDirVolumeSource; secret 6 SecretVolumeSource;
    persistentVolumeClaim 10 PersistentVolumeClaimVolumeSource; downwardAPI 16 DownwardAPIVolumeSource;
    configMap 19 ConfigMapVolumeSource; projected 26 ProjectedVolumeSource; image 30 ImageVolumeSource
ContainerPort:
    name 1 string; hostPort 2 int; containerPort 3 int required; protocol 4 string; hostIP 5 string
EnvFromSource:
    prefix 1 string; configMapRef 2 ConfigMapEnvSource; secretRef 3 SecretEnvSource
EnvVar: One environment variable.
    name 1 string required -- The variable; value 2 string -- Its value; valueFrom 3 EnvVarSource
VolumeMount: Where a volume appears in a container.
    name 1 string required; readOnly 2 bool; recursiveReadOnly 7 string; mountPath 3 string required; subPath 4 string;
    mountPropagation 5 string; subPathExpr 6 string
VolumeDevice:
    name 1 string required; devicePath 2 string required
Probe: How to ask a container for its health.
    handler 1 ~ProbeHandler; initialDelaySeconds 2 int; timeoutSeconds 3 int; periodSeconds 4 int; successThreshold 5 int;
    failureThreshold 6 int; terminationGracePeriodSeconds 7 int
Lifecycle:
    postStart 1 LifecycleHandler; preStop 2 LifecycleHandler; stopSignal 3 string
SecurityContext: With which privileges a container runs.
    capabilities 1 Capabilities; privileged 2 bool; seLinuxOptions 3 SELinuxOptions; runAsUser 4 int; runAsGroup 8 int;
    runAsNonRoot 5 bool; readOnlyRootFilesystem 6 bool; allowPrivilegeEscalation 7 bool; procMount 9 string;
    seccompProfile 11 SeccompProfile; appArmorProfile 12 AppArmorProfile
EphemeralContainerCommon:
    name 1 string; image 2 string; command 3 [string]; args 4 [string]; workingDir 5 string; ports 6 [ContainerPort] by containerPort;
    envFrom 19 [EnvFromSource]; env 7 [EnvVar] by name; resources 8 ResourceRequirements; restartPolicy 24 string;
    volumeMounts 9 [VolumeMount] by mountPath; volumeDevices 21 [VolumeDevice] by devicePath; livenessProbe 10 Probe; readinessProbe 11 Probe;
    startupProbe 22 Probe; lifecycle 12 Lifecycle; terminationMessagePath 13 string; terminationMessagePolicy 20 string;
    imagePullPolicy 14 string; securityContext 15 SecurityContext; stdin 16 bool; stdinOnce 17 bool; tty 18 bool
SELinuxOptions:
    user 1 string; role 2 string; type 3 string; level 4 string
Sysctl:
    name 1 string required; value 2 string required
SeccompProfile:
    type 1 string required; localhostProfile 2 string
AppArmorProfile:
    type 1 string required; localhostProfile 2 string
NodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution 1 NodeSelector;
    preferredDuringSchedulingIgnoredDuringExecution 2 [PreferredSchedulingTerm]
PodAffinity:
    requiredDuringSchedulingIgnoredDuringExecution 1 [PodAffinityTerm];
    preferredDuringSchedulingIgnoredDuringExecution 2 [WeightedPodAffinityTerm]
PodAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution 1 [PodAffinityTerm];
    preferredDuringSchedulingIgnoredDuringExecution 2 [WeightedPodAffinityTerm]
PodDNSConfigOption:
    name 1 string; value 2 string
ResourceClaim:
    name 1 string required; request 2 string
ContainerState:
    waiting 1 ContainerStateWaiting; running 2 ContainerStateRunning; terminated 3 ContainerStateTerminated
ClientIPConfig:
    timeoutSeconds 1 int
LoadBalancerIngress:
    ip 1 string; hostname 2 string; ipMode 3 string; ports 4 [PortStatus]
DaemonEndpoint:
    Port 1 int required
LabelSelectorRequirement:
    key 1 string required; operator 2 string required; values 3 [string]
RollingUpdateDeployment:
    maxUnavailable 1 IntOrString; maxSurge 2 IntOrString
ExtraValue:
    items 1 [string]
HostPathVolumeSource:
    path 1 string required; type 2 string
EmptyDirVolumeSource:
    medium 1 string; sizeLimit 2 Quantity
SecretVolumeSource:
    secretName 1 string; items 2 [KeyToPath]; defaultMode 3 int; optional 4 bool
PersistentVolumeClaimVolumeSource:
    claimName 1 string required; readOnly 2 bool
DownwardAPIVolumeSource:
    items 1 [DownwardAPIVolumeFile]; defaultMode 2 int
ConfigMapVolumeSource:
    localObjectReference 1 ~LocalObjectReference; items 2 [KeyToPath]; defaultMode 3 int; optional 4 bool
ProjectedVolumeSource:
    sources 1 [VolumeProjection]; defaultMode 2 int
ImageVolumeSource:
    reference 1 string; pullPolicy 2 string
ConfigMapEnvSource:
    localObjectReference 1 ~LocalObjectReference; optional 2 bool
SecretEnvSource:
    localObjectReference 1 ~LocalObjectReference; optional 2 bool
EnvVarSource:
    fieldRef 1 ObjectFieldSelector; resourceFieldRef 2 ResourceFieldSelector; configMapKeyRef 3 ConfigMapKeySelector;
    secretKeyRef 4 SecretKeySelector
ProbeHandler:
    exec 1 ExecAction; httpGet 2 HTTPGetAction; tcpSocket 3 TCPSocketAction; grpc 4 GRPCAction
LifecycleHandler:
    exec 1 ExecAction; httpGet 2 HTTPGetAction; tcpSocket 3 TCPSocketAction; sleep 4 SleepAction
Capabilities:
    add 1 [string]; drop 2 [string]
NodeSelector:
    nodeSelectorTerms 1 [NodeSelectorTerm] required
PreferredSchedulingTerm:
    weight 1 int required; preference 2 NodeSelectorTerm required
PodAffinityTerm:
    labelSelector 1 LabelSelector; namespaces 2 [string]; topologyKey 3 string required; namespaceSelector 4 LabelSelector;
    matchLabelKeys 5 [string]; mismatchLabelKeys 6 [string]
WeightedPodAffinityTerm:
    weight 1 int required; podAffinityTerm 2 PodAffinityTerm required
ContainerStateWaiting:
    reason 1 string; message 2 string
ContainerStateRunning:
    startedAt 1 Time
ContainerStateTerminated:
    exitCode 1 int required; signal 2 int; reason 3 string; message 4 string; startedAt 5 Time; finishedAt 6 Time;
    containerID 7 string
PortStatus:
    port 1 int required; protocol 2 string required; error 3 string
KeyToPath:
    key 1 string required; path 2 string required; mode 3 int
DownwardAPIVolumeFile:
    path 1 string required; fieldRef 2 ObjectFieldSelector; resourceFieldRef 3 ResourceFieldSelector; mode 4 int
VolumeProjection:
    secret 1 SecretProjection; downwardAPI 2 DownwardAPIProjection; configMap 3 ConfigMapProjection;
    serviceAccountToken 4 ServiceAccountTokenProjection
ObjectFieldSelector:
    apiVersion 1 string; fieldPath 2 string required
ResourceFieldSelector:
    containerName 1 string; resource 2 string required; divisor 3 Quantity
ConfigMapKeySelector:
    localObjectReference 1 ~LocalObjectReference; key 2 string required; optional 3 bool
SecretKeySelector:
    localObjectReference 1 ~LocalObjectReference; key 2 string required; optional 3 bool
ExecAction:
    command 1 [string]
HTTPGetAction:
    path 1 string; port 2 IntOrString required; host 3 string; scheme 4 string; httpHeaders 5 [HTTPHeader]
TCPSocketAction:
    port 1 IntOrString required; host 2 string
GRPCAction:
    port 1 int required; service 2 string
SleepAction:
    seconds 1 int required
NodeSelectorTerm:
    matchExpressions 1 [NodeSelectorRequirement]; matchFields 2 [NodeSelectorRequirement]
SecretProjection:
    localObjectReference 1 ~LocalObjectReference; items 2 [KeyToPath]; optional 4 bool
DownwardAPIProjection:
    items 1 [DownwardAPIVolumeFile]
ConfigMapProjection:
    localObjectReference 1 ~LocalObjectReference; items 2 [KeyToPath]; optional 4 bool
ServiceAccountTokenProjection:
    audience 1 string; expirationSeconds 2 int; path 3 string required
HTTPHeader:
    name 1 string required; value 2 string required
NodeSelectorRequirement:
    key 1 string required; operator 2 string required; values 3 [string]
"""
