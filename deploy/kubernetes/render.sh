#!/bin/sh
# Renders the plain manifests beside this script from the chart, into a folder (by default this one). Needs helm.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
to=${1:-$here}
render() {
  helm template scoreboard-api "$here/../helm" --namespace scoreboard --kube-version 1.33.0 --values "$here/values.yaml" "$@"
}
note='# Rendered from deploy/helm by deploy/kubernetes/render.sh. Change the chart or values.yaml, not this file.'
{
  echo "$note"
  render --no-hooks --set serviceMonitor.enabled=false,prometheusRule.enabled=false
} > "$to/scoreboard-api.yaml"
{
  echo "$note"
  render --show-only templates/migration.yaml
} > "$to/migration.yaml"
{
  echo "$note"
  render --show-only templates/servicemonitor.yaml --show-only templates/prometheusrule.yaml
} > "$to/monitoring.yaml"
