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
# The tag keeps the image, however many releases follow: without one, the repository deletes it after some of them. From a file, because
# the digest is that of each byte.
manifest=$(mktemp)
aws ecr batch-get-image --repository-name scoreboard-api --image-ids "imageDigest=$digest" --output json |
  jq --exit-status --join-output '.images[0].imageManifest' > "$manifest"
stage=$(tr '[:upper:]' '[:lower:]' <<< "${stack#Scoreboard}")
aws ecr put-image --repository-name scoreboard-api --image-tag "deployed-$stage-$(date -u +%Y%m%d%H%M%S)" \
  --image-digest "$digest" --image-manifest "file://$manifest" > /dev/null
npx cdk deploy "$stack" --require-approval never --outputs-file outputs.json "${settings[@]}"
output() { node -p "JSON.parse(require('fs').readFileSync('outputs.json', 'utf8'))['$stack'].$1"; }
{
  echo "url=$(output Url)"
  echo "alarms=$(output RollbackAlarms)"
} >> "$GITHUB_OUTPUT"
