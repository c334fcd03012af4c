using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Scoreboard
{
    /// <summary>An action that has begun, with its token: pass it to PerformActionAsync() when the action is finished. It is used once.</summary>
    public sealed class BegunAction
    {
        public readonly string UserId;
        private HeldToken token;

        internal BegunAction(string userId, HeldToken token)
        {
            UserId = userId;
            this.token = token;
        }

        /// <summary>Its token, the first time; a second action with it would be taken for a repeat of the first.</summary>
        internal HeldToken TakeToken()
        {
            var taken = token;
            token = null;
            return taken;
        }
    }

    /// <summary>
    /// Sends finished actions until each is counted or rejected.
    ///
    /// *queued* (in the storage) → *token* (it has an action token, also in the storage before it is sent) → *counted* or
    /// *refused* (out of the storage). A token counts once, so it may be sent repeatedly. But an action must never get a second
    /// token while the first may still count: a token is replaced only when the service says that it has expired unused.
    /// </summary>
    internal sealed class Actions
    {
        private static readonly TimeSpan DefaultPatience = TimeSpan.FromMinutes(2);
        /// <summary>A 429 that asks for a longer wait is final.</summary>
        private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(5);
        private const long DayMs = 86400000;
        /// <summary>After this time, the service has either counted a token that was sent without a response, or never will.</summary>
        private const long SettledAfterMs = 60000;
        /// <summary>The service remembers used tokens for a day after they expire.</summary>
        private const long RememberedMs = DayMs / 10 * 9;

        private readonly Session session;
        private readonly OfflineQueue queue;
        private readonly IClock clock;
        private readonly CancellationToken closing;
        private readonly Dictionary<PendingAction, Task<Receipt>> sending = new Dictionary<PendingAction, Task<Receipt>>();
        /// <summary>The last submission of each action that is being sent.</summary>
        private readonly Dictionary<string, Task> lines = new Dictionary<string, Task>();

        public event Action<PendingAction, Receipt> Counted;
        public event Action<PendingAction, ScoreboardException, TimeSpan> Waiting;
        public event Action<PendingAction, ScoreboardException> Refused;

        public Actions(Session session, OfflineQueue queue, IClock clock, CancellationToken closing)
        {
            this.session = session;
            this.queue = queue;
            this.clock = clock;
            this.closing = closing;
        }

        /// <summary>Requests a token; its minimum duration begins now.</summary>
        public Task<BegunAction> BeginAsync(string action) =>
            session.CallAsync("POST", "/v1/action-tokens", new JsonObject { ["action"] = action }, json =>
            {
                var duration = DateTimeOffset.Parse(json.Text("notBefore"), System.Globalization.CultureInfo.InvariantCulture)
                    .ToUnixTimeMilliseconds() - TimeOf(json.Text("tokenId"));
                var points = json.Object("points").Integer("min");
                return new BegunAction(
                    json.Text("userId"), new HeldToken(json.Text("actionToken"), points, Now + duration, duration));
            }, closing);

        public async Task<Receipt> PerformAsync(
            string action, long? points, JsonObject metadata, BegunAction begun, TimeSpan? timeout)
        {
            if (queue.IsFull) throw new ScoreboardException(ScoreboardException.QueueFull, "Too many actions are waiting.");
            // A copy, which the caller cannot change after it was checked.
            var copy = metadata == null ? null : (JsonObject)Json.Parse(Json.Write(metadata));
            var pending = new PendingAction(Guid.NewGuid().ToString("N"), action, points, copy, Now)
            {
                UserId = session.User?.Id,
            };
            // The token of another user would be rejected.
            if (begun != null && begun.UserId == pending.UserId) pending.Token = begun.TakeToken();
            queue.Put(pending);
            if (closing.IsCancellationRequested) throw Queued("The client was disposed.");
            using (var over = CancellationTokenSource.CreateLinkedTokenSource(closing))
            {
                var counted = Send(pending);
                var first = await Task.WhenAny(counted, clock.DelayAsync(timeout ?? DefaultPatience, over.Token));
                over.Cancel();
                if (first != counted) throw Queued("It is stored, and will be sent later.");
                try
                {
                    return await counted;
                }
                catch (OperationCanceledException)
                {
                    throw Queued("The client was disposed.");
                }
            }
        }

        /// <summary>Sends pending actions of an earlier run, or of a user who has logged in again.</summary>
        public void Resume()
        {
            foreach (var pending in queue.All) Send(pending);
        }

        /// <summary>Submissions of the same action are sent one after the other, so that they count in order.</summary>
        private Task<Receipt> Send(PendingAction pending)
        {
            if (sending.TryGetValue(pending, out var current)) return current;
            lines.TryGetValue(pending.Action, out var before);
            var sent = SendAfterAsync(before, pending);
            if (!sent.IsCompleted)
            {
                sending[pending] = sent;
                lines[pending.Action] = sent;
            }
            // What nobody waits for is reported as an event.
            sent.ContinueWith(done => done.Exception, TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously);
            return sent;
        }

        private async Task<Receipt> SendAfterAsync(Task before, PendingAction pending)
        {
            if (before != null) await Task.WhenAny(before);
            try
            {
                return await DeliverAsync(pending);
            }
            finally
            {
                if (sending.TryGetValue(pending, out var sent))
                {
                    sending.Remove(pending);
                    if (lines[pending.Action] == sent) lines.Remove(pending.Action);
                }
            }
        }

        private async Task<Receipt> DeliverAsync(PendingAction pending)
        {
            for (var failures = 0; ; failures++)
            {
                TimeSpan pause;
                try
                {
                    var receipt = await AttemptAsync(pending);
                    queue.Remove(pending);
                    Counted?.Invoke(pending, receipt);
                    return receipt;
                }
                catch (ScoreboardException error)
                {
                    // When the same user logs in again, the action is sent again.
                    if (error.Code == ScoreboardException.Queued || (error.Status == 401 && error.EndsSession)) throw;
                    if (!error.MayPass || error.RetryAfter > LongestWait || IsOld(pending))
                    {
                        queue.Remove(pending);
                        Refused?.Invoke(pending, error);
                        throw;
                    }
                    pause = error.RetryAfter + Backoff.After(failures);
                    Waiting?.Invoke(pending, error, pause);
                }
                await clock.DelayAsync(pause, closing);
            }
        }

        /// <summary>One attempt: requests a token if there is none, and sends it. Stores the state that the next attempt needs.</summary>
        private async Task<Receipt> AttemptAsync(PendingAction pending)
        {
            var user = await session.AccessAsync();
            if (pending.UserId == null) pending.UserId = user.Id;
            if (pending.UserId != user.Id) throw Away(pending);
            if (pending.Token == null)
            {
                var begun = await BeginAsync(pending.Action);
                if (begun.UserId != user.Id) throw Away(pending);
                pending.Token = begun.TakeToken();
            }
            queue.Put(pending);
            var token = pending.Token;
            var wait = Math.Min(token.DurationMs, token.ReadyAt - Now);
            if (wait > 0) await clock.DelayAsync(TimeSpan.FromMilliseconds(wait), closing);
            // With the session of another user the token would be rejected.
            if (session.User?.Id != pending.UserId) throw Away(pending);
            var doubtfulSince = token.DoubtfulSince;
            // Stored before sending, because the game may end at any moment.
            token.DoubtfulSince = Now;
            queue.Put(pending);
            try
            {
                return await session.CallAsync("POST", "/v1/scores", Submission(pending), json => new Receipt(json), closing, pending.UserId);
            }
            catch (ScoreboardException error)
            {
                if (error.Original != null) return new Receipt(error.Original, pending.Action, pending.Points ?? token.Points);
                // This attempt certainly did not count. Earlier attempts may have.
                if (error.Status >= 400 && error.Status < 500 && error.Code != ScoreboardException.UnexpectedAnswer) token.DoubtfulSince = doubtfulSince;
                var isExpired = error.Code == "action-token-expired";
                var unsettledMs = isExpired ? UnsettledMs(doubtfulSince) : 0;
                if (isExpired && unsettledMs == 0) pending.Token = null;
                queue.Put(pending);
                if (error.Code == "action-token-premature" || (isExpired && unsettledMs < DayMs))
                    throw new ScoreboardException(error.Code, error.Message, 503, TimeSpan.FromMilliseconds(unsettledMs));
                throw;
            }
        }

        private static JsonObject Submission(PendingAction pending)
        {
            var body = new JsonObject { ["actionToken"] = pending.Token.ActionToken };
            if (pending.Points != null) body["points"] = pending.Points;
            if (pending.Metadata != null) body["metadata"] = pending.Metadata;
            return body;
        }

        private long Now => clock.UtcNow.Ms();

        private bool IsOld(PendingAction pending) => Now - pending.DoneAt > DayMs;

        private ScoreboardException Away(PendingAction pending) => IsOld(pending)
            ? new ScoreboardException("unauthenticated", "Its user has not logged in again.")
            : Queued("It waits until its user logs in again.");

        private static ScoreboardException Queued(string why) =>
            new ScoreboardException(ScoreboardException.Queued, "Not counted yet. " + why);

        /// <summary>
        /// Milliseconds until the service certainly knows the outcome of a token that was sent without a response; more than a day
        /// if it may already have forgotten the token.
        /// </summary>
        private long UnsettledMs(long? doubtfulSince)
        {
            if (doubtfulSince == null) return 0;
            var since = Now - doubtfulSince.Value;
            // A negative time: the clock was set back, so the age is unknown.
            return since < 0 || since > RememberedMs ? long.MaxValue : Math.Max(0, SettledAfterMs - since);
        }

        private const string Digits = "0123456789abcdefghjkmnpqrstvwxyz";

        /// <summary>When an id was created, by the clock of the service, in milliseconds: it is a UUIDv7 in base32 after a prefix of four.</summary>
        private static long TimeOf(string id)
        {
            if (id.Length < 14) throw new FormatException(id + " is no id.");
            var time = 0L;
            foreach (var digit in id.Substring(4, 10)) time = time * 32 + Digits.IndexOf(digit);
            return time;
        }
    }
}
