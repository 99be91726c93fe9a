{{- define "albedo.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "albedo.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}
{{- end }}

{{- define "albedo.selector" -}}
app.kubernetes.io/name: {{ include "albedo.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* The same for the Pods of a role: those of the role admission have another name, so that no selector takes them for the others. */}}
{{- define "albedo.roleSelector" -}}
app.kubernetes.io/name: {{ include "albedo.name" .root }}{{ if eq .role "admission" }}-admission{{ end }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- define "albedo.labels" -}}
{{ include "albedo.roleLabels" (dict "root" . "role" "all") }}
{{- end }}

{{- define "albedo.roleLabels" -}}
{{- $selector := include "albedo.roleSelector" . }}
{{- with .root -}}
{{ $selector }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- if eq (default "helm" .Values.creator) "helm" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
{{- with .Values.additionalLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end }}

{{- /* all, or the two roles that share its work. */}}
{{- define "albedo.roles" -}}
{{- if .Values.admission.separate }}
{{- if .Values.hostNetwork }}{{ fail "admission.separate does not go with hostNetwork: Pods of both roles would listen on the same ports of a node" }}{{ end -}}
controller admission
{{- else -}}
all
{{- end }}
{{- end }}

{{- /* The full name of what belongs to a role. */}}
{{- define "albedo.roleName" -}}
{{ include "albedo.fullname" .root }}{{ if eq .role "admission" }}-admission{{ end }}
{{- end }}

{{- define "albedo.roleServiceAccount" -}}
{{- if eq .role "admission" }}
{{- with .root.Values.admission.serviceAccount }}
{{- if .create }}{{ default (include "albedo.roleName" $) .name }}{{ else }}{{ required "admission.serviceAccount.name is needed when admission.serviceAccount.create is false" .name }}{{ end }}
{{- end }}
{{- else }}{{ include "albedo.serviceAccount" .root }}
{{- end }}
{{- end }}

{{- /* Who answers reviews: the account, as the subject of a binding. */}}
{{- define "albedo.reviewer" -}}
{{- $role := ternary "admission" "all" .Values.admission.separate -}}
kind: ServiceAccount
name: {{ include "albedo.roleServiceAccount" (dict "root" . "role" $role) }}
namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "albedo.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "albedo.fullname" .) .Values.serviceAccount.name }}{{ else }}{{ required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "albedo.usesCertManager" -}}
{{- if or .Values.enableCertManager (eq .Values.certificates "cert-manager") }}true{{ end }}
{{- end }}

{{- /* The arguments of a role. */}}
{{- define "albedo.roleArgs" -}}
{{ include "albedo.args" .root }}
{{- if ne .role "all" }}
- --role={{ .role }}
- --facts-config-map={{ include "albedo.fullname" .root }}-facts
{{- end }}
{{- if eq .role "admission" }}
- --controller-user=system:serviceaccount:{{ .root.Release.Namespace }}:{{ include "albedo.serviceAccount" .root }}
{{- end }}
{{- end }}

{{- /* A copy of the other chart's values.yaml says nothing for these. */}}
{{- define "albedo.webhookPort" -}}
{{- default 9443 .Values.webhookBindPort }}
{{- end }}
{{- define "albedo.metricsAddress" -}}
{{- default ":8080" .Values.metricsBindAddr }}
{{- end }}

{{- /* The Secret with a certificate that Albedo does not make; empty if it makes its own. */}}
{{- define "albedo.mountedCertificate" -}}
{{- if include "albedo.usesCertManager" . }}{{ include "albedo.fullname" . }}-serving-tls{{ else if (.Values.webhookTLS).cert }}{{ include "albedo.fullname" . }}-webhook-tls{{ end }}
{{- end }}

{{- /* What the values change of the registration of the webhooks, as JSON; empty if that is nothing. */}}
{{- define "albedo.webhookOverrides" -}}
{{- $config := default dict .Values.webhookConfig }}
{{- $all := dict
  "pods" (dict "failurePolicy" (.Values.podMutatorWebhookConfig).failurePolicy "objectSelector" .Values.objectSelector
    "namespaceSelector" (dict "matchExpressions" .Values.webhookNamespaceSelectors))
  "ingresses" (dict "failurePolicy" $config.ingressValdationFailurePolicy "objectSelector" $config.ingressValidationObjectSelector
    "namespaceSelector" $config.ingressValidationNamespaceSelector) }}
{{- $usual := dict "pods" "Ignore" "ingresses" "Fail" }}
{{- $given := dict }}
{{- range $objects, $change := $all }}
{{- $of := dict }}
{{- with $change.failurePolicy }}{{ if ne . (get $usual $objects) }}{{ $_ := set $of "failurePolicy" . }}{{ end }}{{ end }}
{{- range $kind := list "objectSelector" "namespaceSelector" }}
{{- $selector := dict }}
{{- range $field, $value := default dict (get $change $kind) }}{{ with $value }}{{ $_ := set $selector $field . }}{{ end }}{{ end }}
{{- with $selector }}{{ $_ := set $of $kind . }}{{ end }}
{{- end }}
{{- with $of }}{{ $_ := set $given $objects . }}{{ end }}
{{- end }}
{{- with $given }}{{ toJson . }}{{ end }}
{{- end }}

{{- /* --flag=value for each value that is given. */}}
{{- define "albedo.args" -}}
{{- if hasSuffix "aws-load-balancer-controller" .Values.image.repository }}{{ fail "image.repository is that of the AWS Load Balancer Controller: set it to where your image of Albedo is" }}{{ end -}}
- run
- --cluster-name={{ required "clusterName is required: the name of the cluster, part of every name and tag in AWS" .Values.clusterName }}
{{- if .Values.besideLbc }}
{{- if eq .Values.ingressClass "alb" }}{{ fail "besideLbc needs a class of its own, alb is that of the AWS Load Balancer Controller: set ingressClass, for example to albedo" }}{{ end }}
- --beside-lbc
{{- end }}
- --ingress-class={{ .Values.ingressClass }}
- --log-level={{ default "info" .Values.logLevel }}
- --webhook-bind-port={{ include "albedo.webhookPort" . }}
- --metrics-bind-addr={{ include "albedo.metricsAddress" . }}
- --webhook-service={{ include "albedo.fullname" . }}-webhook
- --webhook-configurations={{ include "albedo.fullname" . }}-webhook
- --webhook-configurations-owner={{ include "albedo.fullname" . }}
{{- if include "albedo.mountedCertificate" . }}
- --webhook-cert-dir=/var/run/albedo/serving-certs
- --register-webhooks=true
{{- if include "albedo.usesCertManager" . }}
- --inject-ca-from={{ .Release.Namespace }}/{{ include "albedo.fullname" . }}-serving
{{- end }}
{{- else }}
- --certificates=self
- --certificates-secret={{ include "albedo.fullname" . }}-serving
{{- end }}
{{- with include "albedo.webhookOverrides" . }}
- {{ print "--webhook-overrides=" . | quote }}
{{- end }}
{{- if (.Values.webhookConfig).disableIngressValidation }}
- --admission-mode=off
{{- end }}
{{- $texts := dict
  "aws-region" .Values.region
  "aws-vpc-id" .Values.vpcId
  "aws-api-throttle" .Values.awsApiThrottle
  "watch-namespace" .Values.watchNamespace
  "sync-period" .Values.syncPeriod
  "targetgroupbinding-requeue-duration" .Values.targetgroupbindingRequeueDuration
  "lb-stabilization-monitor-interval" .Values.lbStabilizationMonitorInterval
  "default-target-type" .Values.defaultTargetType
  "default-load-balancer-scheme" .Values.defaultLoadBalancerScheme
  "default-ssl-policy" .Values.defaultSSLPolicy
  "backend-security-group" .Values.backendSecurityGroup
  "service-target-eni-security-group-tags" .Values.serviceTargetENISGTags
  "allowed-certificate-authority-arns" .Values.certDiscovery.allowedCertificateAuthorityARNs
  "external-managed-tags" (join "," .Values.externalManagedTags) }}
{{- range $flag, $value := $texts }}{{ with $value }}
- --{{ $flag }}={{ . }}
{{- end }}{{ end }}
{{- $given := dict
  "aws-max-retries" .Values.awsMaxRetries
  "max-targets-per-target-group" .Values.maxTargetsPerTargetGroup
  "ingress-max-concurrent-reconciles" .Values.ingressMaxConcurrentReconciles
  "enable-shield" .Values.enableShield
  "enable-waf" .Values.enableWaf
  "enable-wafv2" .Values.enableWafv2
  "enable-backend-security-group" .Values.enableBackendSecurityGroup
  "enable-manage-backend-security-group-rules" .Values.enableManageBackendSecurityGroupRules
  "disable-restricted-sg-rules" .Values.disableRestrictedSecurityGroupRules
  "disable-ingress-class-annotation" .Values.disableIngressClassAnnotation
  "disable-ingress-group-name-annotation" .Values.disableIngressGroupNameAnnotation
  "tolerate-non-existent-backend-service" .Values.tolerateNonExistentBackendService
  "tolerate-non-existent-backend-action" .Values.tolerateNonExistentBackendAction
  "enable-pod-readiness-gate-inject" .Values.enablePodReadinessGateInject }}
{{- range $flag, $value := $given }}{{ if not (kindIs "invalid" $value) }}
- --{{ $flag }}={{ $value }}
{{- end }}{{ end }}
{{- $maps := dict
  "default-tags" .Values.defaultTags
  "aws-vpc-tags" .Values.vpcTags
  "aws-api-endpoints" .Values.awsApiEndpoints
  "feature-gates" .Values.controllerConfig.featureGates }}
{{- range $flag, $map := $maps }}{{ if $map }}
- --{{ $flag }}={{ range $index, $key := keys $map | sortAlpha }}{{ if $index }},{{ end }}{{ $key }}={{ get $map $key }}{{ end }}
{{- end }}{{ end }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{- /* Values of the aws-load-balancer-controller chart that are taken and have no effect, with the reason. */}}
{{- define "albedo.withoutEffect" -}}
cluster: 'the certificate is for cluster.local; the API server asks for the .svc name alone'
keepTLSSecret: 'Albedo keeps its certificate itself'
serviceMutatorWebhookConfig: 'Services are not changed'
enableServiceMutatorWebhook: 'Services are not changed'
enableEndpointSlices: 'EndpointSlices are always used'
serviceMaxConcurrentReconciles: 'Services of type LoadBalancer are left to others'
targetgroupbindingMaxConcurrentReconciles: 'ingressMaxConcurrentReconciles counts for bindings too'
targetgroupbindingMaxExponentialBackoffDelay: 'pauses grow to five minutes'
albGatewayMaxConcurrentReconciles: 'Gateways are left to others'
nlbGatewayMaxConcurrentReconciles: 'Gateways are left to others'
globalAcceleratorMaxConcurrentReconciles: 'Global Accelerator is left to others'
globalAcceleratorMaxExponentialBackoffDelay: 'Global Accelerator is left to others'
loadBalancerClass: 'Services of type LoadBalancer are left to others'
certManagement: 'no certificates are requested from ACM'
{{- end }}
