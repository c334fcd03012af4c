package scoreboard

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Error is a failure of a call. Its Code is one of the service's catalogue, or "unreachable" (there was no response, or an invalid one;
// the request may have been processed), "unexpected-answer" (one that is not from the service), "invalid-request" (it was not sent) or
// "context-ended".
type Error struct {
	Code    string
	Message string
	// Status of the HTTP response; 0 if there was none.
	Status int
	// RetryAfter is how long the service asks to wait.
	RetryAfter time.Duration
	// RequestID helps the operators of the service to find the request.
	RequestID string
	// Fields says what is wrong, with the code "validation-failed".
	Fields []FieldError
	// Original is the event that a token or an idempotency key has counted as.
	Original *Original
	// InDoubt says that the score may have counted: an attempt of this call had no clear response (none, or 5xx). With
	// "action-token-expired" it holds for all calls: it is false only from a minute to 22 hours after the token has expired, when none
	// of them has counted and none ever will.
	InDoubt bool

	// By the clock of the service; zero if the response does not say.
	answeredAt time.Time
	cause      error
}

// FieldError is one fault of a request.
type FieldError struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

// Original is an event that was counted before.
type Original struct {
	EventID    string    `json:"eventId"`
	AcceptedAt time.Time `json:"acceptedAt"`
}

func (e *Error) Error() string { return fmt.Sprintf("scoreboard: %s: %s", e.Code, e.Message) }

// Unwrap returns the error of the connection or of the context, if that was the cause.
func (e *Error) Unwrap() error { return e.cause }

// MayPass says whether the same request may succeed later.
func (e *Error) MayPass() bool {
	return e.Code == "unreachable" || e.Status == http.StatusTooManyRequests || e.Status >= 500 ||
		e.Code == "action-token-premature"
}

// expiredFor is for how long the token has been expired, as far as the response shows.
func (e *Error) expiredFor(actionToken string) time.Duration {
	claims, err := claimsOf(actionToken)
	if err != nil || e.answeredAt.IsZero() {
		return 0
	}
	return e.answeredAt.Sub(time.Unix(claims.Expires, 0))
}

// problem is a problem document (RFC 9457).
type problem struct {
	Code      string       `json:"code"`
	Detail    string       `json:"detail"`
	RequestID string       `json:"requestId"`
	Errors    []FieldError `json:"errors"`
	Original  *Original    `json:"original"`
}

func (p problem) error(status int) *Error {
	return &Error{
		Code: p.Code, Message: p.Detail, Status: status,
		RequestID: p.RequestID, Fields: p.Errors, Original: p.Original,
		InDoubt: status >= http.StatusInternalServerError,
	}
}

func unreachable(cause error) *Error {
	return &Error{Code: "unreachable", Message: cause.Error(), InDoubt: true, cause: cause}
}

// ended is the error of a context that has ended.
func ended(ctx context.Context, inDoubt bool) *Error {
	cause := ctx.Err()
	return &Error{Code: "context-ended", Message: cause.Error(), InDoubt: inDoubt, cause: cause}
}

// problemOf reads a response that is no success. It may be from a proxy in between.
func problemOf(response *http.Response, text []byte) *Error {
	status := response.StatusCode
	var document problem
	if json.Unmarshal(text, &document) != nil || document.Code == "" {
		document = problem{Code: "unexpected-answer", Detail: response.Status}
		if status == http.StatusTooManyRequests {
			document.Code = "rate-limited"
		} else if status >= 500 {
			document.Code = "service-unavailable"
		}
	}
	failure := document.error(status)
	if seconds, err := strconv.Atoi(response.Header.Get("retry-after")); err == nil {
		failure.RetryAfter = time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(response.Header.Get("date")); err == nil {
		failure.answeredAt = at
	}
	return failure
}
