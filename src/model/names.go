package model

import (
	"regexp"
	"strings"
)

// printed are words that Go spells in capitals.
var printed = strings.NewReplacer(" id ", " ID ", " uuid ", " UUID ", " ok ", " OK ", " ttl ", " TTL ")

// GoName is how Go spells a name: "PING-OK", "log_fn" and "own groups" become PingOK, LogFn and
// OwnGroups.
func GoName(words string) string {
	text := printed.Replace(" " + strings.NewReplacer("-", " ", "_", " ").Replace(strings.ToLower(words)) + " ")
	var name strings.Builder
	for word := range strings.FieldsSeq(text) {
		name.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return name.String()
}

// GoLocal is how Go spells what is not exported: "challenger id" becomes challengerID.
func GoLocal(words string) string {
	if first, rest, ok := strings.Cut(words, " "); ok {
		return strings.ToLower(first) + GoName(rest)
	}
	return CName(words)
}

var noWord = regexp.MustCompile(`[^A-Za-z0-9]`)

// CName is how C spells a name: "challenger id" and "PING-OK" become challenger_id and ping_ok.
func CName(words string) string { return strings.ToLower(noWord.ReplaceAllString(words, "_")) }
