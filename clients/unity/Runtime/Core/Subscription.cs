using System;
using System.Threading;
using System.Threading.Tasks;

namespace Scoreboard
{
    public enum LiveState
    {
        /// <summary>For the first time.</summary>
        Connecting,
        /// <summary>What was received is current, or was a few seconds ago where the platform cannot stream.</summary>
        Open,
        /// <summary>The connection was lost; it is tried again.</summary>
        Reconnecting,
        /// <summary>Permanently, because of an error.</summary>
        Closed,
    }

    /// <summary>What a subscription knows. A listener gets a new one at each change.</summary>
    public sealed class LiveView
    {
        public readonly LiveState State;
        /// <summary>The last one received; null until the first.</summary>
        public readonly Board Board;
        /// <summary>The entry of the user of the subscription; null until the first.</summary>
        public readonly Standing Standing;
        /// <summary>The reason for Closed; otherwise null.</summary>
        public readonly ScoreboardException Error;

        internal LiveView(LiveState state, Board board, Standing standing, ScoreboardException error)
        {
            State = state;
            Board = board;
            Standing = standing;
            Error = error;
        }
    }

    /// <summary>
    /// Follows a board by its live stream, or by polling where the platform cannot stream. It reconnects after a back-off with full
    /// jitter of up to 30 s, and not before the service asks for. A permanent error, like a board that does not exist, closes it.
    /// </summary>
    internal sealed class Subscription : IDisposable
    {
        /// <summary>A stream without an event for this long after the request is given up.</summary>
        private static readonly TimeSpan FirstEvent = TimeSpan.FromSeconds(20);
        /// <summary>The service sends a comment every 30 s: a stream that is silent for three times that is dead.</summary>
        private static readonly TimeSpan Silence = TimeSpan.FromSeconds(90);
        private static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(5);

        private readonly Http http;
        private readonly IClock clock;
        private readonly string path;
        private readonly int limit;
        private readonly string user;
        private readonly Action<LiveView> listener;
        private readonly CancellationTokenSource over;
        private readonly Action<Action> raise;
        private bool isDisposed;
        private bool hasEnded;
        private LiveView view = new LiveView(LiveState.Connecting, null, null, null);
        private int failures;

        public Subscription(
            Http http, IClock clock, Action<Action> raise, string leaderboard, Action<LiveView> listener, int limit, string user,
            CancellationToken closing)
        {
            this.raise = raise;
            this.http = http;
            this.clock = clock;
            this.listener = listener;
            this.limit = limit;
            this.user = user;
            path = Leaderboard.PathOf(leaderboard);
            over = CancellationTokenSource.CreateLinkedTokenSource(closing);
        }

        public async void Start()
        {
            Show(LiveState.Connecting, null, null);
            try
            {
                while (true)
                {
                    var pause = TimeSpan.Zero;
                    try
                    {
                        if (http.Transport.CanStream) pause = await StreamAsync();
                        else await PollAsync();
                    }
                    catch (ScoreboardException error) when (error.MayPass)
                    {
                        pause = error.RetryAfter + Backoff.After(failures++);
                    }
                    if (view.State == LiveState.Open) Show(LiveState.Reconnecting, view.Board, view.Standing);
                    await clock.DelayAsync(pause, over.Token);
                }
            }
            catch (Exception) when (over.IsCancellationRequested)
            {
                // Closed by the caller, who needs no further view.
            }
            catch (ScoreboardException error)
            {
                Show(LiveState.Closed, view.Board, view.Standing, error);
            }
            finally
            {
                hasEnded = true;
                over.Dispose();
            }
        }

        public void Dispose()
        {
            isDisposed = true;
            if (!hasEnded) over.Cancel();
        }

        /// <summary>Ends when the service ends the stream. Returns the time after which it may be opened again.</summary>
        private async Task<TimeSpan> StreamAsync()
        {
            using (var silent = CancellationTokenSource.CreateLinkedTokenSource(over.Token))
            {
                var hasReceived = false;
                var lastAt = clock.UtcNow;
                var events = new EventStream((name, data) =>
                {
                    hasReceived = true;
                    Receive(name, data);
                });
                var watch = CancelWhenSilentAsync(silent, () => lastAt + (hasReceived ? Silence : FirstEvent));
                try
                {
                    var query = "/stream?limit=" + limit + (user == null ? "" : "&user=" + Uri.EscapeDataString(user));
                    var response = await http.Transport.StreamAsync(http.Request("GET", path + query, null, null), bytes =>
                    {
                        lastAt = clock.UtcNow;
                        events.Add(bytes);
                    }, silent.Token);
                    if (response.Status != 200) throw ScoreboardException.Of(response);
                    if (!hasReceived) throw new FormatException("The stream ended without an event.");
                    return events.Retry ?? Backoff.After(failures++);
                }
                catch (Exception cause) when (!(cause is ScoreboardException) && !over.IsCancellationRequested)
                {
                    throw new ScoreboardException(ScoreboardException.Unreachable, "The stream has broken.", cause);
                }
                finally
                {
                    silent.Cancel();
                    await watch;
                }
            }
        }

        private async Task CancelWhenSilentAsync(CancellationTokenSource silent, Func<DateTime> deadline)
        {
            try
            {
                for (TimeSpan left; (left = deadline() - clock.UtcNow) > TimeSpan.Zero;) await clock.DelayAsync(left, silent.Token);
                silent.Cancel();
            }
            catch (OperationCanceledException)
            {
                // The stream has ended first.
            }
        }

        private void Receive(string name, string data)
        {
            if (!(Json.Parse(data) is JsonObject json)) return;
            failures = 0;
            if (name == "snapshot" || name == "leaderboard") Show(LiveState.Open, new Board(json), view.Standing);
            else if (name == "rank") Show(LiveState.Open, view.Board, new Standing(json));
        }

        private async Task PollAsync()
        {
            while (true)
            {
                var board = await http.AskAsync(
                    "GET", path + "/entries?limit=" + limit, null, null, json => new Board(json), over.Token);
                var standing = user == null ? null : await StandingAsync();
                failures = 0;
                Show(LiveState.Open, board, standing);
                await clock.DelayAsync(PollInterval + Backoff.After(0), over.Token);
            }
        }

        private async Task<Standing> StandingAsync()
        {
            try
            {
                var entry = path + "/entries/" + Uri.EscapeDataString(user);
                return await http.AskAsync("GET", entry, null, null, json => new Standing(json), over.Token);
            }
            catch (ScoreboardException error) when (error.Code == "not-found")
            {
                return new Standing(user, null, null);
            }
        }

        private void Show(LiveState state, Board board, Standing standing, ScoreboardException error = null)
        {
            var shown = new LiveView(state, board, standing, error);
            view = shown;
            raise(() =>
            {
                if (!isDisposed) listener(shown);
            });
        }
    }
}
