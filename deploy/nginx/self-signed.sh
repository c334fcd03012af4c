#!/bin/sh
# Creates a self-signed certificate for a first try, unless there is one: self-signed.sh <folder> [<host name>]
set -eu
folder=$1
name=${2:-localhost}
if [ -s "$folder/fullchain.pem" ]; then
  exit 0
fi
umask 077
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "/CN=$name" \
  -addext "subjectAltName=DNS:$name,IP:127.0.0.1" \
  -keyout "$folder/privkey.pem" -out "$folder/fullchain.pem.new"
mv "$folder/fullchain.pem.new" "$folder/fullchain.pem"
echo "A self-signed certificate for $name is in $folder: no browser will trust it."
