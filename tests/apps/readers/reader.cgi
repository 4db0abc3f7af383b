#!/bin/sh
# Says of every request how the server that starts it reads it. The fields are those of tests/it/cases/readers/account.rs.
length=$(($(wc -c)))
names=$(env | sed -n 's/^HTTP_\([A-Z0-9_]*\)=.*/\1/p' | tr '\n' ',')
path="${REQUEST_URI%%\?*}"
body="$REQUEST_METHOD $REQUEST_URI
read|$REQUEST_METHOD|$REQUEST_URI|${READ_PATH:-$path}|$HTTP_HOST|$length|$HTTP_AUTHORIZATION|$names"
printf 'Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s\n' "$((${#body} + 1))" "$body"
