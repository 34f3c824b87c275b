package explore

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// An expression is over small whole numbers: 0 is false, all else is true. From
// the loosest to the tightest, its operators are or; and; not; = != < <= > >=;
// and + -. A name is one of the conversation's numbers, see [scope.look]; a
// state is written between single quotes behind the name of a side, or behind
// state, which is that of one's own side. A state that others inherit from is
// each of them, and '-' is that there is no machine.

// scope is where an expression is evaluated.
type scope struct {
	joint joint
	side  int     // whose rule it is, -1 if nobody's
	slot  int     // of the link that the rule is about, counted from 1
	id    int     // of the message that was heard
	said  []uint8 // the numbers of the message that was heard
}

// expression yields a number in a scope.
type expression func(*scope) int

// resolver finds out what a name means, and the state that a text between
// quotes names beside it.
type resolver interface {
	name(string) (expression, error)
	state(of, text string) ([]int, error)
}

// mostWords bounds an expression, and by that how deep it is.
const mostWords = 1000

type parser struct {
	words []string
	names resolver
}

// parse compiles an expression.
func parse(text string, names resolver) (expression, error) {
	words, err := split(text)
	if err != nil {
		return nil, err
	}
	if len(words) > mostWords {
		return nil, fmt.Errorf("an expression has at most %d words, and this has %d", mostWords, len(words))
	}
	p := &parser{words, names}
	e, err := p.any()
	if err == nil && len(p.words) > 0 {
		err = fmt.Errorf("%q is too much", p.words[0])
	}
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	return e, nil
}

// split cuts a text into words, numbers, texts between quotes, and operators.
func split(text string) ([]string, error) {
	var words []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		n := strings.IndexFunc(text, func(r rune) bool { return !letter(r) })
		switch {
		case n < 0:
			n = len(text)
		case n > 0:
		case text[0] == '\'':
			if n = strings.IndexByte(text[1:], '\'') + 2; n < 2 {
				return nil, fmt.Errorf("%q: a quote is not closed", text)
			}
		case len(text) > 1 && slices.Contains([]string{"!=", "<=", ">="}, text[:2]):
			n = 2
		case strings.IndexByte("()=<>+-", text[0]) >= 0:
			n = 1
		default:
			return nil, fmt.Errorf("%q means nothing in an expression", text[:1])
		}
		words, text = append(words, text[:n]), text[n:]
	}
	return words, nil
}

func letter(r rune) bool {
	return r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// take takes the next word if it is one of some.
func (p *parser) take(wanted ...string) string {
	if len(p.words) == 0 || !slices.Contains(wanted, p.words[0]) {
		return ""
	}
	word := p.words[0]
	p.words = p.words[1:]
	return word
}

func truth(is bool) int {
	if is {
		return 1
	}
	return 0
}

// chain parses operands with operators of one rank between them.
func (p *parser) chain(operand func() (expression, error), apply func(string, int, int) int, operators ...string) (expression, error) {
	left, err := operand()
	for err == nil {
		operator := p.take(operators...)
		if operator == "" {
			break
		}
		var right expression
		if right, err = operand(); err == nil {
			before := left
			left = func(s *scope) int { return apply(operator, before(s), right(s)) }
		}
	}
	return left, err
}

func (p *parser) any() (expression, error) {
	return p.chain(p.all, func(_ string, a, b int) int { return truth(a != 0 || b != 0) }, "or")
}

func (p *parser) all() (expression, error) {
	return p.chain(p.negation, func(_ string, a, b int) int { return truth(a != 0 && b != 0) }, "and")
}

func (p *parser) negation() (expression, error) {
	if p.take("not") == "" {
		return p.comparison()
	}
	e, err := p.negation()
	return func(s *scope) int { return truth(e(s) == 0) }, err
}

func (p *parser) comparison() (expression, error) {
	if len(p.words) > 2 && strings.HasPrefix(p.words[2], "'") {
		return p.stands()
	}
	return p.chain(p.sum, compare, "=", "!=", "<", "<=", ">", ">=")
}

// stands parses the comparison of a machine's state with one that is named.
func (p *parser) stands() (expression, error) {
	of := p.words[0]
	left, err := p.names.name(of)
	if err != nil {
		return nil, err
	}
	states, err := p.names.state(of, strings.Trim(p.words[2], "'"))
	if err != nil {
		return nil, err
	}
	operator := p.words[1]
	if operator != "=" && operator != "!=" {
		return nil, fmt.Errorf("a state is compared by = or !=, not by %s", operator)
	}
	p.words = p.words[3:]
	return func(s *scope) int { return truth(slices.Contains(states, left(s)) == (operator == "=")) }, nil
}

func compare(operator string, a, b int) int {
	switch operator {
	case "=":
		return truth(a == b)
	case "!=":
		return truth(a != b)
	case "<":
		return truth(a < b)
	case "<=":
		return truth(a <= b)
	case ">":
		return truth(a > b)
	default:
		return truth(a >= b)
	}
}

func (p *parser) sum() (expression, error) {
	return p.chain(p.atom, func(operator string, a, b int) int {
		if operator == "+" {
			return a + b
		}
		return a - b
	}, "+", "-")
}

func (p *parser) atom() (expression, error) {
	if len(p.words) == 0 {
		return nil, fmt.Errorf("it ends too early")
	}
	if p.take("(") != "" {
		e, err := p.any()
		if err == nil && p.take(")") == "" {
			err = fmt.Errorf("a parenthesis is not closed")
		}
		return e, err
	}
	word := p.words[0]
	p.words = p.words[1:]
	if n, err := strconv.Atoi(word); err == nil {
		return func(*scope) int { return n }, nil
	}
	if strings.HasPrefix(word, "'") {
		return nil, fmt.Errorf("%s is not beside the name of a side", word)
	}
	return p.names.name(word)
}
