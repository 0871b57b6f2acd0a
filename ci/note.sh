#!/usr/bin/env bash
# Have a merge request say what differs in an environment: in one note, which is the latest state; in
# none where nothing does. GitLab names what is asked: CI_API_V4_URL, CI_PROJECT_ID and
# CI_MERGE_REQUEST_IID. NOTE_TOKEN may do it, and changes no note but its own.
#   note.sh <environment> <file of the summary>
set -euo pipefail

notes="$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes"
mark="<!-- difference of $1 -->"

ask() {
  curl --fail-with-body --silent --show-error --header "PRIVATE-TOKEN: $NOTE_TOKEN" "$@"
}

me=$(ask "$CI_API_V4_URL/user")
former=
for ((page = 1; page <= 50; page++)); do
  found=$(ask "$notes?per_page=100&page=$page")
  former=$(python3 -c '
import json, sys
me, mark = json.loads(sys.argv[1])["id"], sys.argv[2]
ours = (it for it in json.load(sys.stdin) if it["author"]["id"] == me)
print(next((it["id"] for it in ours if it["body"].startswith(mark)), ""))
' "$me" "$mark" <<< "$found")
  if [ -n "$former" ] || [ "$found" = "[]" ]; then break; fi
done

if [ ! -s "$2" ]; then
  if [ -n "$former" ]; then ask --request DELETE "$notes/$former"; fi
  exit 0
fi
note=$(mktemp)
trap 'rm -f "$note"' EXIT
{ printf '%s\n**%s**\n\n' "$mark" "$1"; cat "$2"; } > "$note"
if [ -n "$former" ]; then
  ask --request PUT --data-urlencode "body@$note" "$notes/$former"
else
  ask --data-urlencode "body@$note" "$notes"
fi
