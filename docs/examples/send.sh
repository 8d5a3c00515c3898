#!/bin/sh
# Sends one firmware to otaferry with nothing but mosquitto-clients and coreutils, and waits until the cloud has it.
# send.sh HOST PORT GATEWAY SENDER FILE PRODUCT VERSION       a password stands in MQTT_PASSWORD
set -eu
if [ $# -ne 7 ]; then sed -n 's/^# \(send.sh .*\)/usage: \1/p' "$0" && exit 64; fi
host=$1 port=$2 gateway=$3 sender=$4 file=$5 product=$6 version=$7
size=$(stat -c %s "$file")
digest=$(sha256sum "$file" | cut -d ' ' -f 1)
id=$(printf '%s %s %s' "$digest" "$product" "$version" | sha256sum | cut -c 1-16)
base="otaferry/v1/$gateway/in/$sender/t/$id"
segment=262144

client() { command=$1 && shift && "$command" -h "$host" -p "$port" -u "$sender" ${MQTT_PASSWORD:+-P "$MQTT_PASSWORD"} "$@"; }
publish() { client mosquitto_pub -q 1 -t "$@"; }
quoted() { printf '"%s"' "$(printf %s "$1" | sed 's/["\\]/\\&/g')"; }

# Listens for the answer before it asks.
answer=$(client mosquitto_rr -q 1 -W 30 -t "$base/init" -e "otaferry/v1/$gateway/out/$sender/$id/ack" \
    -m "{\"name\":$(quoted "$(basename "$file")"),\"size\":$size,\"checksum\":\"$digest\",
  \"firmware\":{\"product\":$(quoted "$product"),\"version\":$(quoted "$version")}}") || answer=
case $answer in
*'"reason":"ok"'* | *'"reason":"incomplete"'*) ;;
'') echo "no answer: is the agent online, and may $sender read otaferry/v1/$gateway/out/$sender/#?" && exit 69 ;;
*) echo "$answer" && exit 1 ;;
esac
offset=0
while [ "$offset" -lt "$size" ]; do
    # One segment after the other: the agent takes them in any order, and knows what it has.
    dd if="$file" bs=$segment skip=$((offset / segment)) count=1 2>/dev/null | publish "$base/$offset" -s
    offset=$((offset + segment))
done
publish "$base/fin/$size/$digest" -n

# The state is retained, so the first message is how things are now.
while :; do
    state=$(client mosquitto_sub -q 1 -C 1 -W 60 -t "otaferry/v1/$gateway/state/$sender/$id")
    word=$(printf %s "$state" | sed 's/.*"state":"\([a-z]*\)".*/\1/')
    case $word in
    registered) echo "$word" && exit 0 ;;
    failed | held | cancelled | expired) echo "$state" && exit 1 ;;
    esac
    sleep 1
done
