{{- define "allotment.labels" -}}
app.kubernetes.io/name: allotment
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "allotment.selector" -}}
app.kubernetes.io/name: allotment
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: service
{{- end }}

{{- /* The hub's base URL, with a slash at both ends. */}}
{{- define "allotment.baseUrl" -}}
{{- $own := .Values.hub.baseUrl | default (dig "hub" "baseUrl" "/" .Values.jupyterhub) -}}
{{- $inside := trimAll "/" $own -}}
{{- if $inside }}/{{ $inside }}/{{ else }}/{{ end -}}
{{- end }}

{{- /* Whether the cluster is asked to guard the service's Secrets, and can. */}}
{{- define "allotment.guarded" -}}
{{- and .Values.hub.guardSecrets (semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version) -}}
{{- end }}

{{- /* The domain below which each user's sessions have a host; empty where they share the hub's origin. */}}
{{- define "allotment.sessionsDomain" -}}
{{- dig "hub" "config" "JupyterHub" "subdomain_host" "" .Values.jupyterhub -}}
{{- end }}

{{- /* What the service gets as JUPYTERHUB_HOST, as JupyterHub sets it for its own services. */}}
{{- define "allotment.publicHost" -}}
{{- if include "allotment.sessionsDomain" . }}{{ regexFind "^https?://[^/]+" .Values.jupyterhub.custom.allotment.publicUrl }}{{ end -}}
{{- end }}

{{- define "allotment.image" -}}
{{ .Values.service.image.name }}:{{ .Values.service.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "allotment.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 100
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /* The configuration of the service: no credentials, only the paths where Secrets are mounted. */}}
{{- define "allotment.configuration" -}}
{{- $custom := .Values.jupyterhub.custom.allotment -}}
{{- $git := "/etc/allotment/git" -}}
{{- $remote := dict "url" $custom.repository.url "user" ($custom.repository.user | default "allotment") "plain_http" ($custom.repository.plainHttp | default false) -}}
{{- if eq .Values.git.method "token" }}{{ $_ := set $remote "token_file" (printf "%s/token" $git) }}{{ end -}}
{{- if eq .Values.git.method "ssh" }}
{{- $_ := set $remote "ssh_key_file" (printf "%s/ssh-key" $git) }}
{{- $_ := set $remote "known_hosts_file" (printf "%s/known-hosts" $git) }}
{{- end -}}
{{- if .Values.git.ownAuthority }}{{ $_ := set $remote "ca_file" (printf "%s/ca.pem" $git) }}{{ end -}}
{{- $forge := dict -}}
{{- with .Values.forge }}{{ if .enabled }}
{{- $files := "/etc/allotment/forge" -}}
{{- $forge = dict
  "kind" .kind
  "url" .url
  "repository" .repository
  "plain_http" .plainHttp
  "poll_seconds" .pollSeconds
-}}
{{- if .appId }}
{{- $_ := set $forge "app_id" .appId }}
{{- $_ := set $forge "app_key_file" (printf "%s/app-key" $files) }}
{{- else }}{{ $_ := set $forge "token_file" (printf "%s/token" $files) }}{{ end -}}
{{- if .webhook }}{{ $_ := set $forge "webhook_secret_file" (printf "%s/webhook-secret" $files) }}{{ end -}}
{{- if .ownAuthority }}{{ $_ := set $forge "ca_file" (printf "%s/ca.pem" $files) }}{{ end -}}
{{- end }}{{ end -}}
{{- $notifications := dict -}}
{{- with .Values.notifications }}{{ if .enabled }}
{{- $notifications = dict "addresses_file" "/etc/allotment/notifications/addresses" "email" .email "gather_seconds" .gatherSeconds -}}
{{- end }}{{ end -}}
{{- $puller := dict -}}
{{- with .Values.puller }}{{ if .enabled }}
{{- $puller = dict
  "namespace" $.Release.Namespace
  "instance" $.Release.Name
  "owner" "allotment-puller"
  "maximum" .maximum
  "pull_policy" .pullPolicy
  "image_pull_secrets" .imagePullSecrets
  "node_selector" .nodeSelector
  "tolerations" .tolerations
  "priority_class" .priorityClassName
  "resources" .resources
}}
{{- end }}{{ end -}}
{{- dict
  "repository" "/var/lib/allotment/profiles.git"
  "cache" "/var/lib/allotment/cache"
  "signing_key" "/etc/allotment/signing/tls.key"
  "allowed_signers" "/etc/allotment/signing/tls.crt"
  "events" .Values.service.eventsUrl
  "address" "0.0.0.0"
  "port" 10101
  "public_url" $custom.publicUrl
  "shared_origin" (not (include "allotment.sessionsDomain" .))
  "deployment" "kubernetes"
  "remote" $remote
  "forge" ($forge | default nil)
  "notifications" ($notifications | default nil)
  "puller" ($puller | default nil)
  "fetch_seconds" ($custom.repository.fetchSeconds | default 30)
  | toPrettyJson -}}
{{- end }}
