// Package scoreboard is the client of scoreboard-api for game servers: players, scores that count exactly once, leaderboards.
package scoreboard

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	defaultTimeout  = 15 * time.Second
	defaultPatience = 4 * time.Minute
	firstBackoff    = time.Second
	lastBackoff     = 30 * time.Second
	// No response of the service is larger.
	maxBody = 16 << 20
	// This long after a token has expired, no attempt with it is under way: it has counted, or never will.
	settledAfter = time.Minute
	// The service remembers used tokens for a day after they expire.
	remembered = 22 * time.Hour
)

// Client is the service for one game server. It may be used by several goroutines. Each error of a call is an *Error; that of a context
// which has ended wraps the context's.
//
// A request that may succeed later (no response, 429, 5xx) is repeated, not before the service's Retry-After. That never counts a
// score twice: the same action token or idempotency key is sent again.
type Client struct {
	// URL of the service, like https://scores.example.com.
	URL string
	// ID and Secret of a service account.
	ID, Secret string
	// HTTP sends the requests; by default http.DefaultClient.
	HTTP *http.Client
	// Timeout is how long an attempt takes at most; by default 15 s.
	Timeout time.Duration
	// Patience is how long a call repeats its request, the log-in included; by default four minutes, a minute less than an action
	// token lasts.
	Patience time.Duration

	mutex   sync.Mutex
	token   string
	renewAt time.Time
	// Nil while nobody logs in.
	login *login

	// Nil for that of the machine.
	clock clock
}

// clock is one that tests can set.
type clock interface {
	Now() time.Time
	// Wait returns the error of a context that ends before.
	Wait(ctx context.Context, pause time.Duration) error
}

// login is one log-in, for all calls that need it.
type login struct {
	done chan struct{}
	// Before done is closed, only the log-in may use these.
	token   string
	failure *Error
}

// String does not show the secret and the token.
func (c *Client) String() string { return "scoreboard client of " + c.URL }

// GoString is like String.
func (c *Client) GoString() string { return c.String() }

type request struct {
	method, path string
	query        url.Values
	body         any
	// Without an access token.
	open bool
	// Whether it does no harm if the service gets it twice.
	repeatable bool
	// The token of a score.
	actionToken string
}

func (c *Client) get(ctx context.Context, path string, query url.Values, into any) error {
	return c.call(ctx, request{method: http.MethodGet, path: path, query: query, open: true, repeatable: true}, into)
}

func (c *Client) post(ctx context.Context, path string, body, into any) error {
	return c.call(ctx, request{method: http.MethodPost, path: path, body: body, repeatable: true}, into)
}

func (c *Client) call(ctx context.Context, r request, into any) error {
	// A nil *Error in an error would not be nil.
	if failure := c.send(ctx, r, c.until(), into); failure != nil {
		return failure
	}
	return nil
}

// send reads the body of a success into `into`. No attempt begins later than `until`.
func (c *Client) send(ctx context.Context, r request, until time.Time, into any) *Error {
	// Whether an attempt may have counted.
	inDoubt := false
	rejected := ""
	for failures := 0; ; failures++ {
		token := ""
		if !r.open {
			var failure *Error
			if token, failure = c.access(ctx, rejected, until); failure != nil {
				// What became of the log-in says nothing about this request.
				failure.InDoubt = inDoubt
				return failure
			}
		}
		if ctx.Err() != nil {
			return ended(ctx, inDoubt)
		}
		failure := c.attempt(ctx, r, token, into)
		if failure == nil {
			return nil
		}
		if failure.Code == "unauthenticated" && !r.open && rejected == "" {
			rejected = token
			continue
		}
		// What a 4xx has refused has not happened. An earlier attempt may have.
		inDoubt = inDoubt || failure.InDoubt
		failure.InDoubt = inDoubt
		if inDoubt && ctx.Err() != nil {
			return ended(ctx, true)
		}
		mayRepeat := r.repeatable || failure.Status == http.StatusTooManyRequests
		mayPass := failure.MayPass()
		pause := failure.RetryAfter + backoff(failures)
		if failure.Code == "action-token-expired" {
			// Also of attempts of an earlier call.
			age := failure.expiredFor(r.actionToken)
			failure.InDoubt = age < settledAfter || age >= remembered
			if age < settledAfter {
				pause = settledAfter - age
				failure.RetryAfter = pause
				mayPass = inDoubt
			}
		}
		if !mayPass || !mayRepeat || c.now().Add(pause).After(until) {
			return failure
		}
		if c.wait(ctx, pause) != nil {
			return ended(ctx, inDoubt)
		}
	}
}

// attempt sends one request.
func (c *Client) attempt(ctx context.Context, r request, token string, into any) *Error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return &Error{Code: "invalid-request", Message: err.Error(), Status: http.StatusBadRequest, cause: err}
		}
		body = bytes.NewReader(text)
	}
	address := strings.TrimRight(c.URL, "/") + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	call, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return &Error{Code: "invalid-request", Message: err.Error(), Status: http.StatusBadRequest, cause: err}
	}
	if body != nil {
		call.Header.Set("content-type", "application/json")
	}
	if token != "" {
		call.Header.Set("authorization", "Bearer "+token)
	}
	response, err := c.http().Do(call)
	if err != nil {
		return unreachable(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return unreachable(err)
	}
	if response.StatusCode >= 300 {
		return problemOf(response, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return unreachable(fmt.Errorf("the response is not from the service: %w", err))
	}
	return nil
}

// access is an access token that should be valid. While one is requested, the old one is used as long as it lasts.
func (c *Client) access(ctx context.Context, rejected string, until time.Time) (string, *Error) {
	c.mutex.Lock()
	token := c.token
	if token == rejected {
		token = ""
	}
	if c.login == nil && (token == "" || c.now().After(c.renewAt)) {
		c.login = &login{done: make(chan struct{})}
		// Not with the context of this caller, because others wait for it too.
		go c.logIn(c.login, until)
	}
	current := c.login
	c.mutex.Unlock()
	if token != "" {
		return token, nil
	}
	select {
	case <-current.done:
	case <-ctx.Done():
		return "", ended(ctx, false)
	}
	if current.failure != nil {
		// Of their own, because each caller writes InDoubt.
		failure := *current.failure
		return "", &failure
	}
	return current.token, nil
}

func (c *Client) logIn(login *login, until time.Time) {
	var grant struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	body := map[string]string{"grant_type": "client_credentials", "client_id": c.ID, "client_secret": c.Secret}
	r := request{method: http.MethodPost, path: "/v1/auth/token", body: body, open: true, repeatable: true}
	login.failure = c.send(context.Background(), r, until, &grant)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if login.failure == nil {
		login.token = grant.AccessToken
		c.token = login.token
		// A fifth of its time remains for a request that takes long.
		c.renewAt = c.now().Add(time.Duration(grant.ExpiresIn) * time.Second * 4 / 5)
	} else {
		// An old token is used until it is rejected.
		c.renewAt = c.now().AddDate(1, 0, 0)
	}
	c.login = nil
	close(login.done)
}

func (c *Client) until() time.Time {
	if c.Patience != 0 {
		return c.now().Add(c.Patience)
	}
	return c.now().Add(defaultPatience)
}

func (c *Client) timeout() time.Duration {
	if c.Timeout != 0 {
		return c.Timeout
	}
	return defaultTimeout
}

func (c *Client) now() time.Time {
	if c.clock != nil {
		return c.clock.Now()
	}
	return time.Now()
}

func (c *Client) http() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return http.DefaultClient
}

// backoff has full jitter, so that servers that failed together do not retry together. Not of math/rand, which before Go 1.20 gives all
// of them the same numbers.
func backoff(failures int) time.Duration {
	limit := lastBackoff
	if failures < 5 {
		limit = firstBackoff << failures
	}
	pause, err := rand.Int(rand.Reader, big.NewInt(int64(limit)))
	if err != nil {
		return limit
	}
	return time.Duration(pause.Int64())
}

func (c *Client) wait(ctx context.Context, pause time.Duration) error {
	if c.clock != nil {
		return c.clock.Wait(ctx, pause)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// queryOf leaves out what is zero.
func queryOf(numbers map[string]int, cursor string) url.Values {
	query := url.Values{}
	for name, number := range numbers {
		if number != 0 {
			query.Set(name, strconv.Itoa(number))
		}
	}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	return query
}
