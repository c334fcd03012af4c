using System;

namespace Scoreboard
{
    /// <summary>Every error of this package, distinguished by its code.</summary>
    public sealed class ScoreboardException : Exception
    {
        /// <summary>There was no response, or an invalid one: the request may have been processed.</summary>
        public const string Unreachable = "unreachable";
        /// <summary>An error that is not from the service.</summary>
        public const string UnexpectedAnswer = "unexpected-answer";
        /// <summary>The action has not counted yet: it is stored and will be sent.</summary>
        public const string Queued = "queued";
        /// <summary>Too many actions are waiting: this one was not accepted.</summary>
        public const string QueueFull = "queue-full";

        /// <summary>A code of the service, or one of the constants of this class.</summary>
        public readonly string Code;
        /// <summary>Status of the HTTP response; 0 if there was none.</summary>
        public readonly int Status;
        /// <summary>The time to wait before a retry, if the service asks for one.</summary>
        public readonly TimeSpan RetryAfter;
        /// <summary>Give it to the operators of the service when you report the error; null without a response.</summary>
        public readonly string RequestId;
        /// <summary>With action-token-replayed: the event that the token counted as; otherwise null.</summary>
        public readonly OriginalEvent Original;

        internal ScoreboardException(string code, string message, Exception cause = null)
            : base(message, cause)
        {
            Code = code;
        }

        internal ScoreboardException(string code, string message, int status, TimeSpan retryAfter, JsonObject problem = null)
            : base(message)
        {
            Code = code;
            Status = status;
            RetryAfter = retryAfter;
            RequestId = problem?.TextOrNull("requestId");
            var original = problem?.ObjectOrNull("original");
            if (original != null) Original = new OriginalEvent(original);
        }

        /// <summary>Whether the same request may succeed later; an answer that is not from the service says nothing about that.</summary>
        public bool MayPass => Code == Unreachable || Code == UnexpectedAnswer || Status == 429 || Status >= 500;

        /// <summary>Whether the service says that the session is over: a 401 of a proxy does not.</summary>
        internal bool EndsSession => Code == "refresh-token-invalid" || Code == "refresh-token-reused" || Code == "unauthenticated";

        /// <summary>Converts a response into an error; it may be from a proxy in between.</summary>
        internal static ScoreboardException Of(Response response)
        {
            var status = response.Status;
            int.TryParse(response.RetryAfter, out var seconds);
            var retryAfter = TimeSpan.FromSeconds(Math.Max(0, seconds));
            var problem = Json.TryParse(response.Body) as JsonObject;
            var code = problem?.TextOrNull("code");
            var detail = problem?.TextOrNull("detail");
            if (code != null && detail != null) return new ScoreboardException(code, detail, status, retryAfter, problem);
            var kind = status == 429 ? "rate-limited" : status >= 500 ? "service-unavailable" : UnexpectedAnswer;
            return new ScoreboardException(kind, "HTTP " + status, status, retryAfter);
        }
    }

    /// <summary>The event that an action token has counted as.</summary>
    public sealed class OriginalEvent
    {
        public readonly string EventId;
        public readonly string AcceptedAt;

        internal OriginalEvent(JsonObject json)
        {
            EventId = json.Text("eventId");
            AcceptedAt = json.Text("acceptedAt");
        }
    }
}
