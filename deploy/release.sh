#!/usr/bin/env bash
# Puts the image of this digest into a stack of deploy/aws: deploy/release.sh ScoreboardProduction sha256:…
# It is for the workflows: DOMAIN_NAME, HOSTED_ZONE_NAME and HOSTED_ZONE_ID come from the environment, and what the stack
# tells of itself goes to GITHUB_OUTPUT as url and alarms.
set -euo pipefail
cd "$(dirname "$0")/aws"

stack=$1
digest=$2
if [[ ! $digest =~ ^sha256:[0-9a-f]{64}$ ]]; then
  echo "\"$digest\" is not the digest of an image" >&2
  exit 1
fi
npx cdk deploy "$stack" --require-approval never --outputs-file outputs.json \
  -c imageDigest="$digest" -c domainName="$DOMAIN_NAME" \
  -c hostedZoneName="$HOSTED_ZONE_NAME" -c hostedZoneId="$HOSTED_ZONE_ID"
output() { node -p "JSON.parse(require('fs').readFileSync('outputs.json', 'utf8'))['$stack'].$1"; }
{
  echo "url=$(output Url)"
  echo "alarms=$(output RollbackAlarms)"
} >> "$GITHUB_OUTPUT"
