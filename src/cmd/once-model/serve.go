package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/book"
	"github.com/sjohnr/at-once/src/model/diff"
)

// server shows the book, made anew for each request.
type server struct {
	path, pages    string
	against, trace string
	listen         string
	one            sync.Mutex // makes the book
}

func serveCommand() *cobra.Command {
	var s server
	c := &cobra.Command{
		Use:   "serve [PATH]",
		Short: "show the book for a review, with what a branch changes and where a node has been",
		Long: `Serve shows the book of once-model doc to a browser, and makes it anew each time.

With --against, all that changed since then stands at the head and in the sections
that it is about. With --trace, the states that machines have been in are
highlighted in the diagrams, and those that they were in last more so; once trace
writes such a file. Run make generate first when the models have changed.

A browser has to ask by an address, as localhost, or by the name in --listen: pages of
strangers cannot read what is served.`,
		Example: `  once-model serve
  once-model serve --against main
  once trace --for 1m > trace.json; once-model serve --trace trace.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s.path = pathOf(args)
			if _, err := s.book(c); err != nil { // what is wrong with the command is told here
				return err
			}
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return s.serve(ctx, c)
		},
	}
	c.Flags().StringVar(&s.pages, "pages", "", "the `FOLDER` with the pages (default "+pagesFolder+" beside project.xml)")
	c.Flags().StringVar(&s.against, "against", "", "draw in what changed since `OLD`: a revision of git, a folder, or a lock")
	c.Flags().StringVar(&s.trace, "trace", "", "highlight the states in `FILE`, which once trace wrote")
	c.Flags().StringVar(&s.listen, "listen", "127.0.0.1:8642", "the `ADDRESS:PORT` to serve at; port 0 is any")
	return c
}

// serve serves until ctx ends.
func (s *server) serve(ctx context.Context, c *cobra.Command) error {
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return fmt.Errorf("--listen %s: %w", s.listen, err)
	}
	web := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, c) })}
	fmt.Fprintf(c.OutOrStdout(), "http://%s/\n", listener.Addr())
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(listener) }()
	select {
	case err = <-ended:
		return err
	case <-ctx.Done():
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	if err := web.Shutdown(ctx); err != nil {
		_ = web.Close() // who is slow is cut off
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// answer answers a request: with the book, which is made for one reader at a time.
func (s *server) answer(w http.ResponseWriter, r *http.Request, c *cobra.Command) {
	if !s.meant(r.Host) {
		http.Error(w, "this is served at "+s.listen+" only: "+r.Host+" is another name", http.StatusMisdirectedRequest)
		return
	}
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "a book is only read", http.StatusMethodNotAllowed)
		return
	}
	if !opened(r) {
		http.Error(w, "the page of a stranger asks: open this one by itself", http.StatusForbidden)
		return
	}
	text, err := s.turn(r.Context(), c)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("X-Frame-Options", "SAMEORIGIN")
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	_, _ = io.WriteString(w, text) // who has gone needs none
}

// turn makes the book when it is a reader's turn. Who has gone by then needs none.
func (s *server) turn(ctx context.Context, c *cobra.Command) (string, error) {
	s.one.Lock()
	defer s.one.Unlock()
	if err := ctx.Err(); err != nil {
		return "", err
	}
	return s.book(c)
}

// opened tells whether a person opens the book: within the page of a stranger it is neither shown
// nor asked for. Programs that are no browser do not say who asks.
func opened(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return true
	}
	return r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// meant tells whether a browser that asks a host means this server: by an address, as localhost, or
// by the name in --listen. The page of a stranger whose name leads here has another, and must not
// read what is not published.
func (s *server) meant(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	asked, _, _ := net.SplitHostPort(s.listen)
	return net.ParseIP(strings.Trim(host, "[]")) != nil || strings.EqualFold(host, "localhost") || strings.EqualFold(host, asked)
}

// book makes the book as it is now.
func (s *server) book(c *cobra.Command) (string, error) {
	project, pages, err := projectPages(s.path, s.pages)
	if err != nil {
		return "", err
	}
	b, err := s.pagesOf(c, project, pages)
	if err != nil {
		return "", err
	}
	if s.against != "" {
		if err := s.changes(c, b, project); err != nil {
			return "", err
		}
	}
	if s.trace != "" {
		if err := s.visits(b, project); err != nil {
			return "", err
		}
	}
	return b.HTML()
}

// pagesOf makes the book of the pages that are there, or of those that are printed for it alone.
func (s *server) pagesOf(c *cobra.Command, project *model.Project, pages string) (*book.Book, error) {
	if generated(project) {
		return bookOf(project, pages)
	}
	files, err := plainPages(c.Context(), project)
	if err != nil {
		return nil, err
	}
	return book.New(project, book.Pages(files))
}

func (s *server) changes(c *cobra.Command, b *book.Book, project *model.Project) error {
	old, _, err := shapeOf(c, s.against)
	if err != nil {
		return fmt.Errorf("--against %s: %w", s.against, err)
	}
	found := diff.Compare(old, diff.Shape(project))
	diff.Waive(found, diff.Waivers(project, time.Now()))
	var shown []book.Change
	for _, change := range found {
		shown = append(shown, book.Change{Model: change.Model, Path: change.Path, Class: string(change.Class), Text: change.Text, Breaks: change.Breaks()})
	}
	b.Changed(shown)
	return nil
}

// step is a line of a trace.
type step struct {
	Machine, About, State, Next string
}

// visits reads a trace, and notes where machines have been.
func (s *server) visits(b *book.Book, project *model.Project) error {
	info, err := os.Stat(s.trace)
	if err == nil && !info.Mode().IsRegular() { // what is read for each page
		err = &os.PathError{Op: "read", Path: s.trace, Err: errors.New("it is no regular file")}
	}
	if err != nil {
		return fmt.Errorf("--trace: %w", err)
	}
	file, err := os.Open(s.trace)
	if err != nil {
		return fmt.Errorf("--trace: %w", err)
	}
	defer file.Close()
	states := map[string]bool{}
	for _, m := range project.Machines {
		for _, state := range m.States {
			states[m.Name()+"."+state.Name()] = true
		}
	}
	last := map[[2]string]step{}
	lines, cut := bufio.NewScanner(file), false
	lines.Split(func(data []byte, ended bool) (int, []byte, error) {
		cut = ended && bytes.IndexByte(data, '\n') < 0
		return bufio.ScanLines(data, ended)
	})
	for n := 1; lines.Scan(); n++ {
		var now step
		if err := json.Unmarshal(lines.Bytes(), &now); err != nil && cut && n > 1 {
			break // it is being written
		} else if err != nil {
			return fmt.Errorf("--trace %s:%d: %w; once trace writes such a file", s.trace, n, err)
		}
		for _, state := range []string{now.State, now.Next} {
			if !states[now.Machine+"."+state] {
				return fmt.Errorf("--trace %s:%d: there is no state %q of a machine %q: is the trace of these models?", s.trace, n, state, now.Machine)
			}
		}
		b.Visited(now.Machine, now.State, 1, false)
		last[[2]string{now.Machine, now.About}] = now
	}
	for _, now := range last {
		b.Visited(now.Machine, now.Next, 1, true)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("--trace %s: %w", s.trace, err)
	}
	return nil
}
