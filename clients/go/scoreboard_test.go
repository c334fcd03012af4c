package scoreboard_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	scoreboard "github.com/example/scoreboard-api/clients/go"
)

// The tests run against a real service, which the environment names.

func variable(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is missing", name)
	}
	return value
}

// proxy stands in front of the service, and does to the requests of a path what faults says.
type proxy struct {
	mutex    sync.Mutex
	faults   map[string][]string
	requests map[string]int
}

func (p *proxy) next(path string) string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.requests[path]++
	if len(p.faults[path]) == 0 {
		return ""
	}
	fault := p.faults[path][0]
	p.faults[path] = p.faults[path][1:]
	return fault
}

func start(t *testing.T) (*scoreboard.Client, *proxy) {
	t.Helper()
	service, err := url.Parse(variable(t, "SCOREBOARD_URL"))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{faults: map[string][]string{}, requests: map[string]int{}}
	forward := httputil.NewSingleHostReverseProxy(service)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch p.next(r.URL.Path) {
		case "busy":
			w.Header().Set("retry-after", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		case "lost":
			forward.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case "stale":
			r.Header.Set("authorization", "Bearer of.another.secret")
			forward.ServeHTTP(w, r)
		default:
			forward.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	account := &scoreboard.Client{
		URL: server.URL, ID: variable(t, "CLIENT_ID"), Secret: variable(t, "CLIENT_SECRET"),
	}
	return account, p
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func unique(t *testing.T) string {
	t.Helper()
	text := make([]byte, 8)
	_, err := rand.Read(text)
	check(t, err)
	return hex.EncodeToString(text)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newUser(t *testing.T, client *scoreboard.Client) scoreboard.User {
	t.Helper()
	user, err := client.CreateUser(within(t), "Ada", unique(t))
	check(t, err)
	return user
}

func score(t *testing.T, client *scoreboard.Client, userID string) int64 {
	t.Helper()
	entry, err := client.Entry(within(t), "global", userID)
	check(t, err)
	return entry.Score
}

func codeOf(err error) string {
	var failure *scoreboard.Error
	if errors.As(err, &failure) {
		return failure.Code
	}
	return ""
}

func TestAGameServerScoresForItsPlayers(t *testing.T) {
	client, _ := start(t)
	ctx := within(t)
	externalID := unique(t)
	user, err := client.CreateUser(ctx, "Ada", externalID)
	check(t, err)
	again, err := client.CreateUser(ctx, "Ada", externalID)
	check(t, err)
	if again.ID != user.ID {
		t.Fatalf("%s is another user than %s", again.ID, user.ID)
	}
	token, err := client.BeginAction(ctx, user.ID, "win-match", 250)
	check(t, err)
	receipt, err := client.Submit(ctx, token.ActionToken, scoreboard.Score{Metadata: map[string]any{"match": 42}})
	check(t, err)
	if receipt.Points != 250 || receipt.Status != "counted" || receipt.Leaderboards[0].Score != 250 {
		t.Fatalf("%+v", receipt)
	}
	session, err := client.OpenSession(ctx, user.ID)
	check(t, err)
	if session.User.ID != user.ID {
		t.Fatalf("a session of %s", session.User.ID)
	}
}

func TestPlayersAreRegisteredInBatches(t *testing.T) {
	client, proxy := start(t)
	users := make([]scoreboard.NewUser, 501)
	for i := range users {
		users[i] = scoreboard.NewUser{DisplayName: "Ada", ExternalID: unique(t)}
	}
	users[1].DisplayName = "\u200b"
	proxy.faults["/v1/users/batch"] = []string{"lost"}
	outcomes, err := client.CreateUsers(within(t), users)
	check(t, err)
	if refused := outcomes[1].Err; refused == nil || refused.Code != "validation-failed" {
		t.Fatalf("%+v", outcomes[1])
	}
	again, err := client.CreateUser(within(t), "Ada", users[500].ExternalID)
	check(t, err)
	if outcomes[500].User.ID != again.ID || proxy.requests["/v1/users/batch"] != 3 {
		t.Fatalf("%+v after %d requests", outcomes[500], proxy.requests["/v1/users/batch"])
	}
}

func TestAMintedTokenCountsOnceThoughItsResponseIsLost(t *testing.T) {
	client, proxy := start(t)
	user := newUser(t, client)
	token, err := scoreboard.Mint(variable(t, "ACTION_TOKEN_SECRET"), user.ID, "win-match", 1, 250)
	check(t, err)
	proxy.faults["/v1/scores"] = []string{"lost"}
	points := int64(99)
	receipt, err := client.Submit(within(t), token, scoreboard.Score{Points: &points})
	check(t, err)
	if !receipt.Replayed || receipt.Points != 99 || receipt.UserID != user.ID || proxy.requests["/v1/scores"] != 2 {
		t.Fatalf("%+v after %d requests", receipt, proxy.requests["/v1/scores"])
	}
	if sum := score(t, client, user.ID); sum != 99 {
		t.Fatalf("%d points", sum)
	}
}

func TestABatchWhoseResponseIsLostCountsOnce(t *testing.T) {
	client, proxy := start(t)
	user := newUser(t, client)
	proxy.faults["/v1/scores/batch"] = []string{"lost"}
	submissions := []scoreboard.Submission{
		{UserID: user.ID, Action: "win-match", Points: 250, IdempotencyKey: unique(t)},
		{UserID: user.ID, Action: "win-match", Points: 999, IdempotencyKey: unique(t)},
	}
	outcomes, err := client.SubmitBatch(within(t), submissions)
	check(t, err)
	if counted := outcomes[0].Receipt; counted == nil || !counted.Replayed || counted.Points != 250 {
		t.Fatalf("%+v", outcomes[0])
	}
	if refused := outcomes[1].Err; refused == nil || refused.Code != "points-out-of-range" {
		t.Fatalf("%+v", outcomes[1])
	}
	if sum := score(t, client, user.ID); sum != 250 {
		t.Fatalf("%d points", sum)
	}
}

func TestABatchMayBeLargerThanARequest(t *testing.T) {
	client, proxy := start(t)
	user := newUser(t, client)
	submissions := make([]scoreboard.Submission, 501)
	for i := range submissions {
		submissions[i] = scoreboard.Submission{
			UserID: user.ID, Action: "win-match", Points: 250, IdempotencyKey: unique(t),
		}
	}
	outcomes, err := client.SubmitBatch(within(t), submissions)
	check(t, err)
	if len(outcomes) != 501 || proxy.requests["/v1/scores/batch"] != 2 || score(t, client, user.ID) != 501*250 {
		t.Fatalf("%d outcomes of %d requests", len(outcomes), proxy.requests["/v1/scores/batch"])
	}
}

func TestARequestWaitsAsLongAsItIsAskedTo(t *testing.T) {
	client, proxy := start(t)
	proxy.faults["/v1/users"] = []string{"busy"}
	begin := time.Now()
	newUser(t, client)
	if time.Since(begin) < time.Second {
		t.Fatal("it did not wait")
	}
}

func TestPatienceEndsAndTheErrorSaysWhatIsInDoubt(t *testing.T) {
	client, proxy := start(t)
	user := newUser(t, client)
	client.Patience = time.Nanosecond
	proxy.faults["/v1/scores/batch"] = []string{"lost"}
	submission := scoreboard.Submission{UserID: user.ID, Action: "win-match", Points: 250, IdempotencyKey: unique(t)}
	_, err := client.SubmitBatch(within(t), []scoreboard.Submission{submission})
	var failure *scoreboard.Error
	if !errors.As(err, &failure) || failure.Code != "unreachable" || !failure.InDoubt {
		t.Fatal(err)
	}
	_, err = client.CreateUser(within(t), "", unique(t))
	if !errors.As(err, &failure) || failure.Code != "validation-failed" || failure.InDoubt || len(failure.Fields) == 0 {
		t.Fatal(err)
	}
}

func TestAContextEndsAWait(t *testing.T) {
	client, proxy := start(t)
	user := newUser(t, client)
	proxy.faults["/v1/scores/batch"] = []string{"busy"}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	submission := scoreboard.Submission{UserID: user.ID, Action: "win-match", Points: 250, IdempotencyKey: unique(t)}
	_, err := client.SubmitBatch(ctx, []scoreboard.Submission{submission})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestATokenThatIsNoLongerValidIsReplaced(t *testing.T) {
	client, proxy := start(t)
	newUser(t, client)
	proxy.faults["/v1/users"] = []string{"stale"}
	newUser(t, client)
	if proxy.requests["/v1/auth/token"] != 2 {
		t.Fatalf("%d log-ins", proxy.requests["/v1/auth/token"])
	}
}

func TestALeaderboardIsReadInPagesAndAroundAUser(t *testing.T) {
	client, _ := start(t)
	ctx := within(t)
	var last scoreboard.User
	for i := 0; i < 3; i++ {
		last = newUser(t, client)
		token, err := client.BeginAction(ctx, last.ID, "win-match", 250)
		check(t, err)
		_, err = client.Submit(ctx, token.ActionToken, scoreboard.Score{})
		check(t, err)
	}
	first, err := client.Top(ctx, "global", scoreboard.Page{Limit: 2})
	check(t, err)
	if len(first.Items) != 2 || first.Items[0].Rank != 1 || first.NextCursor == nil {
		t.Fatalf("%+v", first)
	}
	second, err := client.Top(ctx, "global", scoreboard.Page{Limit: 2, Cursor: *first.NextCursor})
	check(t, err)
	if second.Items[0].Rank != 3 {
		t.Fatalf("%+v", second)
	}
	around, err := client.Around(ctx, "global", last.ID, 1)
	check(t, err)
	if len(around.Items) < 2 {
		t.Fatalf("%+v", around)
	}
	_, err = client.Top(ctx, "no-such-board", scoreboard.Page{})
	if codeOf(err) != "not-found" {
		t.Fatal(err)
	}
}

func TestAWrongSecretIsRefused(t *testing.T) {
	client, _ := start(t)
	client.Secret = "wrong"
	_, err := client.CreateUser(within(t), "Ada", unique(t))
	if codeOf(err) != "invalid-credentials" {
		t.Fatal(err)
	}
}
