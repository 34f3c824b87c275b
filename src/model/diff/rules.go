package diff

import (
	"regexp"
	"slices"
	"strconv"
)

// effect tells whether a change of a fact breaks something.
type effect func(old, now string) bool

func always(_, _ string) bool { return true }
func never(_, _ string) bool  { return false }

// lower breaks if a number falls: what was allowed is refused. None is no limit.
func lower(old, now string) bool { return number(now, 1<<62) < number(old, 1<<62) }

// higher breaks if a number rises.
func higher(old, now string) bool { return number(now, 0) > number(old, 0) }

// lost breaks if what was said is not said any more.
func lost(old, now string) bool { return old != "" && now == "" }

// demoted breaks if what was promised is not.
func demoted(old, now string) bool { return old == "stable" && now == "draft" }

func number(text string, otherwise int64) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return otherwise
	}
	return n
}

// rule is what changes of a kind of element mean.
type rule struct {
	class   Class
	came    bool // a new one breaks something
	gone    bool
	ordered bool   // the order of those beside each other counts
	goes    string // what it means if one is gone, for people
	comes   string
	facts   map[string]factRule
}

// factRule is what changes of a fact mean.
type factRule struct {
	class  Class // if it is not that of the element
	breaks effect
	means  string // what it means if it breaks something
	else_  string // and if not
}

// limits are facts of fields.
var limits = factRule{breaks: lower, means: "what old peers may send is refused", else_: "old peers refuse what is more than before"}

var octets = map[string]factRule{
	"type": {breaks: always, means: "old peers read other octets"}, "size": {breaks: always, means: "old peers read other octets"},
	"value": {breaks: always, means: "old peers refuse it"}, "fixed": {breaks: always, means: "other lengths are allowed than before"},
	"max": limits, "each": limits, "sum": limits, "example": {class: Doc, breaks: never},
}

var typed = map[string]factRule{
	"type": {breaks: always}, "format": {breaks: always}, "size": {breaks: always}, "enum": {breaks: always}, "of": {breaks: always},
	"list": {breaks: always}, "by_reference": {breaks: always}, "optional": {breaks: always}, "fails": {breaks: always}, "fresh": {breaks: always},
	"min":    {breaks: higher, means: "what callers give may be refused"},
	"max":    {breaks: lower, means: "what callers give may be refused"},
	"errors": {breaks: never},
}

var called = map[string]factRule{
	"state": {breaks: demoted, means: "what was promised is not"}, "singleton": {breaks: always}, "blocks": {breaks: always}, "when": {breaks: always},
}

var ruleOf = map[string]rule{
	"protocol": {class: Wire, gone: true, goes: "nobody speaks it any more", facts: map[string]factRule{
		"signature": {breaks: always, means: "old peers take it for another protocol"}}},
	"header field": {class: Wire, came: true, gone: true, ordered: true, goes: "old peers expect it in each message", comes: "old peers do not expect it in any message", facts: octets},
	"message": {class: Wire, gone: true, goes: "old peers may send it; reserve its id", comes: "old peers do not know it", facts: map[string]factRule{
		"id": {breaks: always, means: "old peers take it for another message, or none"}}},
	"field":       {class: Wire, came: true, gone: true, ordered: true, goes: "old peers expect it", comes: "old peers do not expect it", facts: octets},
	"reserved id": {class: Wire, gone: true, goes: "another message may take it, which old peers understand otherwise"},
	"limit": {class: State, gone: true, facts: map[string]factRule{
		"max": {breaks: lower, means: "what old peers may do is refused"}}},
	"grammar": {class: State, gone: true, facts: map[string]factRule{
		"words": {breaks: fewerWords, means: "something may not be said any more", else_: "what may be said when is another"}}},
	"section": {class: Doc, gone: true, goes: "links to it lead nowhere"},
	"scene":   {class: Doc, gone: true, goes: "links to it lead nowhere"},
	"step": {class: Doc, facts: map[string]factRule{
		"sender": {breaks: never}, "receiver": {breaks: never}, "message": {breaks: never}, "says": {breaks: never}}},
	"layout": {class: Wire, gone: true, goes: "nobody speaks it any more"},
	"number": {class: Wire, gone: true, facts: map[string]factRule{"value": {breaks: always, means: "old peers have the other number"}}},
	"record": {class: Wire, gone: true, goes: "old peers may send it", comes: "old peers do not know it"},
	"machine": {class: State, gone: true, facts: map[string]factRule{
		"start": {breaks: always, means: "conversations begin otherwise"}, "protocol_class": {breaks: always, means: "it speaks another protocol"}}},
	"timeout": {class: State, gone: true, facts: map[string]factRule{
		"default": {breaks: never},
		"min":     {breaks: higher, means: "settings of before may be refused"},
		"max":     {breaks: lower, means: "settings of before may be refused"}}},
	"reason": {class: State, gone: true},
	"state": {class: State, gone: true, facts: map[string]factRule{
		"final": {breaks: always}, "timeout": {breaks: lost, means: "it may last for ever"}}},
	"event": {class: State, gone: true, facts: map[string]factRule{
		"leads": {breaks: always}, "sends": {breaks: always, means: "the far side hears something else"}, "does": {breaks: never}}},
	"class": {class: API, gone: true, facts: map[string]factRule{
		"state": {breaks: demoted, means: "what was promised is not"}, "zero": {breaks: never}}},
	"constant":    {class: API, gone: true, facts: map[string]factRule{"value": {breaks: always, means: "programs that were compiled have the other"}}},
	"enum":        {class: API, gone: true},
	"error":       {class: API, gone: true, facts: map[string]factRule{"closed": {breaks: lost}}},
	"constructor": {class: API, gone: true, facts: called},
	"destructor":  {class: API, gone: true, facts: called},
	"method":      {class: API, gone: true, facts: called},
	"callback":    {class: API, gone: true, facts: called},
	"argument":    {class: API, came: true, gone: true, ordered: true, goes: "callers give it", comes: "callers do not give it", facts: typed},
	"return":      {class: API, gone: true, facts: typed},
	"setting": {class: API, gone: true, facts: map[string]factRule{
		"default": {breaks: never}, "otherwise": {class: Doc, breaks: never}, "many": {breaks: always}}},
	"option": {class: API, gone: true, goes: "files and command lines with it are refused", facts: map[string]factRule{
		"type": {breaks: always}, "default": {breaks: never}, "many": {breaks: lost}, "fixed": {breaks: never}, "with": {breaks: always, means: "it is refused without another one"}}},
	"flag": {class: API, gone: true, goes: "command lines with it are refused", facts: map[string]factRule{"otherwise": {class: Doc, breaks: never}}},
	"event type": {class: API, gone: true, facts: map[string]factRule{
		"name": {breaks: always}, "peer": {breaks: never}, "line": {breaks: never}}},
	"event field": {class: API, gone: true, facts: map[string]factRule{"source": {breaks: never}, "go_type": {breaks: always}}},
}

// fewerWords breaks if a grammar lacks messages that it had.
func fewerWords(old, now string) bool {
	words := terminal.FindAllString(now, -1)
	return slices.ContainsFunc(terminal.FindAllString(old, -1), func(word string) bool { return !slices.Contains(words, word) })
}

var terminal = regexp.MustCompile(`(?:[A-Z]:)?[A-Z][-A-Z0-9]+`)
