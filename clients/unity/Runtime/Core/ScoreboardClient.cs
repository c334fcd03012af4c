using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Scoreboard
{
    /// <summary>
    /// The service for one player. All calls throw a ScoreboardException, or after Dispose() an
    /// OperationCanceledException. Use it on one thread that has a SynchronizationContext, as
    /// Unity's main thread does: listeners are called there.
    /// </summary>
    public sealed class ScoreboardClient : IDisposable
    {
        private readonly CancellationTokenSource closing = new CancellationTokenSource();
        private readonly SynchronizationContext context;
        private readonly Http http;
        private readonly IClock clock;
        private readonly Session session;
        private readonly OfflineQueue queue;
        private readonly Actions actions;

        /// <summary>An action has counted; also one of an earlier run of the game.</summary>
        public event Action<PendingAction, Receipt> Counted;
        /// <summary>An action could not be sent, and is sent again after a time.</summary>
        public event Action<PendingAction, ScoreboardException, TimeSpan> Waiting;
        /// <summary>An action will never count.</summary>
        public event Action<PendingAction, ScoreboardException> Refused;
        /// <summary>The session's user or its names have changed; null when the session has ended.</summary>
        public event Action<User> UserChanged;

        /// <param name="baseUrl">of the service, like https://scores.example.com</param>
        public ScoreboardClient(string baseUrl, ITransport transport, IStorage storage, IClock clock)
        {
            context = SynchronizationContext.Current
                ?? throw new InvalidOperationException("A ScoreboardClient needs a thread with a SynchronizationContext.");
            this.clock = clock;
            http = new Http(baseUrl, transport, clock);
            session = new Session(http, storage, clock, closing.Token);
            queue = new OfflineQueue(storage);
            actions = new Actions(session, queue, clock, closing.Token);
            actions.Counted += (action, receipt) => Raise(() => Counted?.Invoke(action, receipt));
            actions.Waiting += (action, error, pause) => Raise(() => Waiting?.Invoke(action, error, pause));
            actions.Refused += (action, error) => Raise(() => Refused?.Invoke(action, error));
            session.Changed += user =>
            {
                Raise(() => UserChanged?.Invoke(user));
                if (user != null) actions.Resume();
            };
        }

        /// <summary>Sends the actions of an earlier run. Call it once the events above have their listeners.</summary>
        public void Resume() => actions.Resume();

        /// <summary>The session's user; null without a session.</summary>
        public User User => session.User;

        /// <summary>Actions that may not have counted yet, oldest first; at most 64.</summary>
        public IReadOnlyList<PendingAction> Pending => queue.All;

        /// <summary>Returns the session's user, or creates a guest if there is no session. Other calls create one by themselves.</summary>
        public Task<User> GuestAsync(string displayName = null) => session.GuestAsync(displayName);

        /// <summary>Logs in to an account.</summary>
        public Task<User> LoginAsync(string username, string password) => session.LoginAsync(username, password);

        /// <summary>Turns the guest into an account, which keeps its scores.</summary>
        public Task<User> UpgradeAsync(string username, string password) => session.UpgradeAsync(username, password);

        /// <summary>Changes the user's display name.</summary>
        public Task<User> RenameAsync(string displayName) => session.RenameAsync(displayName);

        /// <summary>Ends the session: on the device in any case, and in the service if it answers.</summary>
        public Task LogoutAsync() => session.LogoutAsync();

        /// <summary>Requests the token of an action that begins now: pass it to PerformActionAsync() when the action is finished.</summary>
        public Task<BegunAction> BeginActionAsync(string action) => actions.BeginAsync(action);

        /// <summary>
        /// Counts a finished action exactly once: requests an action token, waits until it may be used, sends it, and repeats it
        /// while responses are lost. It waits while the service is unreachable, busy or asks for a wait. After the timeout it throws
        /// with the code queued: the action stays in the storage for at most a day, and Counted or Refused report its outcome.
        /// </summary>
        /// <param name="points">required if the action has a range of points</param>
        /// <param name="begun">from BeginActionAsync(), for one action; without it the token is requested now</param>
        /// <param name="metadata">up to 2 KiB, stored with the event</param>
        /// <param name="timeout">default: two minutes</param>
        public Task<Receipt> PerformActionAsync(
            string action, long? points = null, BegunAction begun = null, JsonObject metadata = null, TimeSpan? timeout = null) =>
            actions.PerformAsync(action, points, metadata, begun, timeout);

        /// <summary>Reads a leaderboard, once or live.</summary>
        public Leaderboard Leaderboard(string id) => new Leaderboard(http, session, clock, Raise, closing.Token, id);

        /// <summary>Stops sending. Actions that have not counted stay in the storage.</summary>
        public void Dispose() => closing.Cancel();

        /// <summary>Later, so that an error of a listener does not disturb the session or a stream.</summary>
        private void Raise(Action call) => context.Post(_ => call(), null);
    }
}
