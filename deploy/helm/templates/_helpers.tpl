{{- define "scoreboard.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "scoreboard.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "scoreboard.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "scoreboard.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "scoreboard.selector" -}}
app.kubernetes.io/name: {{ include "scoreboard.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "scoreboard.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "scoreboard.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "scoreboard.secret" -}}
{{- .Values.secret.existing | default (include "scoreboard.fullname" .) -}}
{{- end -}}

{{/* Variables from a secret. Takes: secret, required (names), optional (names). */}}
{{- define "scoreboard.fromSecret" -}}
{{- range $name := .required }}
- name: {{ $name }}
  valueFrom: { secretKeyRef: { name: {{ $.secret }}, key: {{ $name }} } }
{{- end }}
{{- range $name := .optional }}
- name: {{ $name }}
  valueFrom: { secretKeyRef: { name: {{ $.secret }}, key: {{ $name }}, optional: true } }
{{- end }}
{{- end -}}

{{- define "scoreboard.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "scoreboard.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
capabilities: { drop: [ALL] }
{{- end -}}

{{/* Connections of one instance to PostgreSQL, at most: as docs/operations.md has it. */}}
{{- define "scoreboard.connectionsOfInstance" -}}
{{- $workers := int (.Values.config.WORKERS | default "1") -}}
{{- $pool := int (.Values.config.DATABASE_POOL_SIZE | default "10") -}}
{{- mul $workers (add 7 (max 4 (div (sub (add $pool $workers) 1) $workers))) -}}
{{- end -}}

{{/* Connections of all instances, at most: during a deployment of all that there may be. */}}
{{- define "scoreboard.connections" -}}
{{- $instances := ternary .Values.autoscaling.maxReplicas .Values.replicas .Values.autoscaling.enabled -}}
{{- add 3 (mul 2 (int $instances) (int (include "scoreboard.connectionsOfInstance" .))) -}}
{{- end -}}
