package scoreboard_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	scoreboard "github.com/example/scoreboard-api/clients/go"
)

// What a service or a proxy does that the real one in the other tests never does, or not in time. They have a clock of their own, on which no wait takes time.

const (
	grant   = `{"access_token": "secret", "expires_in": 600}`
	expired = `{"code": "action-token-expired", "detail": "?"}`
	refused = `{"code": "invalid-credentials", "detail": "?"}`
)

// fakeClock stands still but for its waits.
type fakeClock struct {
	mutex sync.Mutex
	now   time.Time
}

func (c *fakeClock) Now() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.now
}

func (c *fakeClock) Wait(ctx context.Context, pause time.Duration) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if ctx.Err() == nil {
		c.now = c.now.Add(pause)
	}
	return ctx.Err()
}

// service answers a path's requests in order, the last answer for all that follow. An answer of status 0 is none.
type service struct {
	clock    *fakeClock
	mutex    sync.Mutex
	answers  map[string][]answer
	requests map[string]int
	// Called at each request.
	meanwhile func(path string)
}

type answer struct {
	status int
	body   string
}

var errLost = errors.New("lost")

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	path := r.URL.Path
	s.meanwhile(path)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.requests[path]++
	left := s.answers[path]
	if len(left) == 0 {
		left = []answer{{http.StatusOK, grant}}
	}
	if len(left) > 1 {
		s.answers[path] = left[1:]
	}
	if left[0].status == 0 {
		return nil, errLost
	}
	return &http.Response{
		StatusCode: left[0].status, Status: http.StatusText(left[0].status), Request: r,
		Header: http.Header{"Date": {s.clock.Now().UTC().Format(http.TimeFormat)}},
		Body:   io.NopCloser(strings.NewReader(left[0].body)),
	}, nil
}

func (s *service) count(path string) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.requests[path]
}

func answering(answers map[string][]answer) (*scoreboard.Client, *service) {
	clock := &fakeClock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	s := &service{clock: clock, answers: answers, requests: map[string]int{}, meanwhile: func(string) {}}
	client := &scoreboard.Client{URL: "http://service", ID: "id", Secret: "secret", HTTP: &http.Client{Transport: s}}
	client.SetClock(clock)
	return client, s
}

// tokenUntil is an action token that expires at a time.
func tokenUntil(expires time.Time) string {
	claims := fmt.Sprintf(`{"sub": "usr_1", "act": "win-match", "pts": [250, 250], "exp": %d}`, expires.Unix())
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func failureOf(t *testing.T, err error) *scoreboard.Error {
	t.Helper()
	var failure *scoreboard.Error
	if !errors.As(err, &failure) {
		t.Fatalf("no *Error: %v", err)
	}
	return failure
}

func want(t *testing.T, failure *scoreboard.Error, code string, inDoubt bool) {
	t.Helper()
	if failure.Code != code || failure.InDoubt != inDoubt {
		t.Fatalf("%v, in doubt: %t", failure, failure.InDoubt)
	}
}

func TestAFailedLogInLeavesALostScoreInDoubt(t *testing.T) {
	client, _ := answering(map[string][]answer{
		"/v1/auth/token": {{200, grant}, {401, refused}},
		"/v1/scores":     {{}, {401, `{"code": "unauthenticated", "detail": "?"}`}},
	})
	_, err := client.Submit(context.Background(), "token", scoreboard.Score{})
	want(t, failureOf(t, err), "invalid-credentials", true)

	client, _ = answering(map[string][]answer{"/v1/auth/token": {{}}})
	client.Patience = time.Nanosecond
	_, err = client.Submit(context.Background(), "token", scoreboard.Score{})
	want(t, failureOf(t, err), "unreachable", false)
}

func TestAnExpiredTokenInDoubtIsSettledAMinuteAfterItHasExpired(t *testing.T) {
	client, service := answering(map[string][]answer{"/v1/scores": {{}, {422, expired}}})
	begin := service.clock.Now()
	token := tokenUntil(begin.Add(-time.Second))
	_, err := client.Submit(context.Background(), token, scoreboard.Score{})
	want(t, failureOf(t, err), "action-token-expired", false)
	if service.clock.Now().Sub(begin) < 59*time.Second || service.count("/v1/scores") != 3 {
		t.Fatalf("%d requests in %s", service.count("/v1/scores"), service.clock.Now().Sub(begin))
	}
}

func TestASecondCallKnowsTheDoubtOfTheFirst(t *testing.T) {
	client, service := answering(map[string][]answer{"/v1/scores": {{}, {422, expired}}})
	client.Patience = time.Nanosecond
	token := tokenUntil(service.clock.Now())
	submit := func() *scoreboard.Error {
		_, err := client.Submit(context.Background(), token, scoreboard.Score{})
		return failureOf(t, err)
	}
	want(t, submit(), "unreachable", true)
	unsettled := submit()
	want(t, unsettled, "action-token-expired", true)
	if unsettled.RetryAfter != time.Minute {
		t.Fatal(unsettled.RetryAfter)
	}
	for pause, inDoubt := range map[time.Duration]bool{0: false, 24 * time.Hour: true} {
		check(t, service.clock.Wait(context.Background(), unsettled.RetryAfter+pause))
		// Neither does another client with the same token need to know.
		want(t, submit(), "action-token-expired", inDoubt)
		service.clock.now = service.clock.now.Add(-unsettled.RetryAfter - pause)
	}
}

func TestAContextThatEndsDoesNotHideTheDoubt(t *testing.T) {
	for status, inDoubt := range map[int]bool{0: true, 503: true, 429: false} {
		client, service := answering(map[string][]answer{"/v1/scores": {{status, ""}}})
		ctx, cancel := context.WithCancel(context.Background())
		service.meanwhile = func(path string) {
			if path == "/v1/scores" && service.count(path) == 2 {
				cancel()
			}
		}
		_, err := client.Submit(ctx, "token", scoreboard.Score{})
		want(t, failureOf(t, err), "context-ended", inDoubt)
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	client, service := answering(nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := client.Submit(ctx, "token", scoreboard.Score{})
	want(t, failureOf(t, err), "context-ended", false)
	if service.count("/v1/scores") != 0 {
		t.Fatal("it was sent")
	}
}

func TestAScoreOfABatchThatFailedIsInDoubt(t *testing.T) {
	failed := `{"status": 500, "problem": {"code": "internal-error", "detail": "?"}}`
	refused := `{"status": 422, "problem": {"code": "points-out-of-range", "detail": "?"}}`
	client, _ := answering(map[string][]answer{"/v1/scores/batch": {
		{200, `{"items": [` + failed + `,` + refused + `]}`}, {200, `{"items": [` + refused + `]}`},
	}})
	outcomes, err := client.SubmitBatch(context.Background(), make([]scoreboard.Submission, 2))
	check(t, err)
	want(t, outcomes[0].Err, "points-out-of-range", true)
	want(t, outcomes[1].Err, "points-out-of-range", false)

	client, _ = answering(map[string][]answer{"/v1/scores/batch": {{200, `{"items": [{}]}`}}})
	client.Patience = time.Nanosecond
	_, err = client.SubmitBatch(context.Background(), make([]scoreboard.Submission, 1))
	want(t, failureOf(t, err), "unreachable", true)
}

func TestPatienceBoundsTheLogInAndTheRequestTogether(t *testing.T) {
	logins := []answer{{503, ""}, {503, ""}, {503, ""}, {503, ""}, {503, ""}, {200, grant}}
	client, service := answering(map[string][]answer{"/v1/auth/token": logins, "/v1/users": {{503, ""}}})
	client.Patience = 2 * time.Minute
	begin := service.clock.Now()
	_, err := client.CreateUser(context.Background(), "Ada", "1")
	want(t, failureOf(t, err), "service-unavailable", true)
	if service.clock.Now().Sub(begin) > client.Patience {
		t.Fatal(service.clock.Now().Sub(begin))
	}
}

// silent never answers.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestAnAttemptHasALimitWhateverClientSendsIt(t *testing.T) {
	client := &scoreboard.Client{
		URL: "http://service", HTTP: &http.Client{Transport: silent{}}, Patience: 1, Timeout: time.Millisecond,
	}
	_, err := client.Top(context.Background(), "global", scoreboard.Page{})
	want(t, failureOf(t, err), "unreachable", true)
	client.Timeout = time.Hour
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err = client.Top(ctx, "global", scoreboard.Page{})
	want(t, failureOf(t, err), "context-ended", true)
}

func TestALogInIsSharedAndAnOldTokenServesMeanwhile(t *testing.T) {
	client, service := answering(map[string][]answer{"/v1/auth/token": {{200, grant}, {}}})
	createUser := func() error {
		_, err := client.CreateUser(context.Background(), "Ada", "1")
		return err
	}
	var all sync.WaitGroup
	all.Add(20)
	release := make(chan struct{})
	service.meanwhile = func(path string) {
		if path == "/v1/auth/token" {
			<-release
		}
	}
	var begun sync.WaitGroup
	begun.Add(20)
	for i := 0; i < 20; i++ {
		go func() {
			defer all.Done()
			begun.Done()
			if err := createUser(); err != nil {
				t.Error(err)
			}
		}()
	}
	begun.Wait()
	close(release)
	all.Wait()
	if logins := service.count("/v1/auth/token"); logins != 1 {
		t.Fatalf("%d log-ins", logins)
	}

	// A new token is due, and is long in coming.
	check(t, service.clock.Wait(context.Background(), 500*time.Second))
	asked, ended := make(chan struct{}, 100), make(chan struct{})
	service.meanwhile = func(path string) {
		if path == "/v1/auth/token" {
			asked <- struct{}{}
			<-ended
		}
	}
	check(t, createUser())
	<-asked
	close(ended)
	// It fails at last: the old token is used until it is rejected.
	client.AwaitLogIn()
	failed := service.count("/v1/auth/token")
	check(t, createUser())
	if logins := service.count("/v1/auth/token"); failed == 1 || logins != failed {
		t.Fatalf("%d log-ins after %d", logins, failed)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	client, _ := answering(nil)
	_, err := client.CreateUser(context.Background(), "Ada", "1")
	check(t, err)
	session := scoreboard.Session{AccessToken: "secret", RefreshToken: "secret"}
	token := scoreboard.ActionToken{ActionToken: "secret"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format+format+format, client, session, token); strings.Contains(text, "secret") {
			t.Fatal(text)
		}
	}
}
