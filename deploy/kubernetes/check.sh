#!/bin/sh
# Checks the chart with helm, kubeconform and kube-score, and that the plain manifests are as rendered from it.
# KUBECONFORM_SCHEMAS: where kubeconform finds schemas, instead of the internet.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chart=../helm
kubernetes=1.33.0
operator='https://raw.githubusercontent.com/datreeio/CRDs-catalog/main/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json'

conforms() {
  if [ -n "${KUBECONFORM_SCHEMAS:-}" ]; then
    kubeconform -strict -summary -schema-location "$KUBECONFORM_SCHEMAS" "$@"
  else
    kubeconform -strict -summary -kubernetes-version "$kubernetes" -schema-location default -schema-location "$operator" "$@"
  fi
}
template() {
  helm template release "$chart" --kube-version "$kubernetes" "$@"
}
# Renders the chart with these arguments, in one word.
renders() {
  echo "== $1"
  # shellcheck disable=SC2086 # They are arguments.
  helm lint "$chart" --strict --kube-version "$kubernetes" $1
  # shellcheck disable=SC2086
  template $1 > "$work/rendered.yaml"
  conforms "$work/rendered.yaml"
}
# Fails unless helm refuses these values, with these words.
refuses() {
  words=$1
  shift
  if template "$@" > /dev/null 2> "$work/said"; then
    echo "Not refused: $*"
    exit 1
  fi
  grep -q "$words" "$work/said" || { cat "$work/said"; exit 1; }
}

# What is empty by default.
cat > "$work/more.yaml" << 'END'
nameOverride: boards
image: { digest: 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef' }
imagePullSecrets: [{ name: registry }]
config: { LOG_LEVEL: warn, TRUST_PROXY: 10.0.0.0/8 }
secret: { existing: scoreboard-api }
podAnnotations: { example.com/owner: games }
podLabels: { team: games }
nodeSelector: { kubernetes.io/os: linux }
tolerations: [{ key: games, operator: Exists }]
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms: [{ matchExpressions: [{ key: kubernetes.io/arch, operator: In, values: [amd64, arm64] }] }]
priorityClassName: high
volumes: [{ name: certificates, configMap: { name: certificates } }]
volumeMounts: [{ name: certificates, mountPath: /certificates, readOnly: true }]
serviceAccount: { annotations: { example.com/role: boards } }
service: { annotations: { example.com/owner: games } }
networkPolicy:
  postgres: { ports: [5432], to: [{ ipBlock: { cidr: 10.1.0.0/16 } }] }
  egress: [{ ports: [{ port: 443, protocol: TCP }] }]
serviceMonitor: { enabled: true, labels: { release: prometheus } }
prometheusRule: { enabled: true, labels: { release: prometheus }, runbookBase: https://docs.example }
END
own='--set secret.values.DATABASE_URL=a,secret.values.REDIS_URL=b,secret.values.JWT_SECRET=c,secret.values.ACTION_TOKEN_SECRET=d'
everything='--set autoscaling.streams.enabled=true,serviceMonitor.enabled=true,prometheusRule.enabled=true,ingress.enabled=true,ingress.host=a.example'
for values in '--values ../helm/values-simple.yaml' '--values ../helm/values-pgbouncer.yaml' '--values values.yaml' "$own $everything" "--values $work/more.yaml"; do
  renders "$values"
  # Images have a version or a digest; processor time beyond what is requested may be used; instances are spread by constraints.
  kube-score score --ignore-container-cpu-limit \
    --ignore-test container-image-pull-policy,deployment-has-host-podantiaffinity "$work/rendered.yaml"
done
# kube-score advises against these.
for part in autoscaling podDisruptionBudget networkPolicy migration; do
  renders "--values values.yaml --set $part.enabled=false"
done

refuses 'secret.values.DATABASE_URL is missing' --set secret.existing=
refuses 'REPLICAS' --values values.yaml --set REPLICAS=3
refuses 'JWT_SECRETS' --values values.yaml --set secret.values.JWT_SECRETS=x
refuses 'terminationGracePeriodSeconds must be at least' --values values.yaml --set preStopSeconds=20

./render.sh "$work"
for file in scoreboard-api.yaml migration.yaml monitoring.yaml; do
  diff -u "$file" "$work/$file" || { echo "$file must be rendered anew: deploy/kubernetes/render.sh"; exit 1; }
done
conforms scoreboard-api.yaml migration.yaml monitoring.yaml
echo 'The chart and the manifests are in order.'
