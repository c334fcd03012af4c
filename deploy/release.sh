#!/usr/bin/env bash
# Deploys the image with this digest to a stack of deploy/aws: deploy/release.sh ScoreboardProduction sha256:…
# It is for the workflows: the settings of deploy/aws/README.md come from the environment (DOMAIN_NAME for domainName, and so
# on), and the stack's outputs go to GITHUB_OUTPUT as url and alarms.
set -euo pipefail
cd "$(dirname "$0")/aws"

stack=$1
digest=$2
if [[ ! $digest =~ ^sha256:[0-9a-f]{64}$ ]]; then
  echo "\"$digest\" is not the digest of an image" >&2
  exit 1
fi
settings=(-c "imageDigest=$digest")
# A variable that is not set in GitHub is empty here.
for setting in domainName=DOMAIN_NAME hostedZoneName=HOSTED_ZONE_NAME hostedZoneId=HOSTED_ZONE_ID \
  certificateArn=CERTIFICATE_ARN corsOrigins=CORS_ORIGINS gameServers=GAME_SERVERS \
  alarmEmail=ALARM_EMAIL shieldAdvanced=SHIELD_ADVANCED variables=VARIABLES; do
  variable=${setting#*=}
  if [[ -n ${!variable:-} ]]; then settings+=(-c "${setting%=*}=${!variable}"); fi
done
# Gives the image a tag that keeps it: without one, the repository deletes it some releases later. The manifest goes by a file, because
# the digest is that of each byte.
keep() {
  local manifest stage
  manifest=$(mktemp)
  stage=$(tr '[:upper:]' '[:lower:]' <<< "${stack#Scoreboard}")
  aws ecr batch-get-image --repository-name scoreboard-api --image-ids "imageDigest=$digest" --output json \
    --accepted-media-types application/vnd.oci.image.index.v1+json application/vnd.oci.image.manifest.v1+json \
    application/vnd.docker.distribution.manifest.list.v2+json application/vnd.docker.distribution.manifest.v2+json |
    jq --exit-status --join-output '.images[0].imageManifest' > "$manifest" &&
    aws ecr put-image --repository-name scoreboard-api --image-tag "deployed-$stage-$(date -u +%Y%m%d%H%M%S)" \
      --image-digest "$digest" --image-manifest "file://$manifest" > /dev/null
}
# Nothing that can be done later may stop a deployment, which may be a rollback.
keep || echo "::warning::$digest has no tag that keeps it: see Images in deploy/aws/README.md"
npx cdk deploy "$stack" --require-approval never --outputs-file outputs.json "${settings[@]}"
output() { node -p "JSON.parse(require('fs').readFileSync('outputs.json', 'utf8'))['$stack'].$1"; }
{
  echo "url=$(output Url)"
  echo "alarms=$(output RollbackAlarms)"
} >> "$GITHUB_OUTPUT"
