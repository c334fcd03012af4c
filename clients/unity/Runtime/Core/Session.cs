using System;
using System.Threading;
using System.Threading.Tasks;

namespace Scoreboard
{
    /// <summary>
    /// The session of one user, in the storage.
    ///
    /// A refresh token is valid for one use, and a second use ends the session. So one refresh runs at a time. If the response to
    /// a refresh is lost, the token may have been used; it is sent again while the service repeats its response. After that the
    /// access token is used until it expires, and only then the refresh token is tried once more.
    /// </summary>
    internal sealed class Session
    {
        private const string Name = "session";
        /// <summary>Refreshed after four fifths of the access token's lifetime: if the response is lost, the last fifth remains.</summary>
        private const double RefreshAfter = 0.8;
        /// <summary>For 30 s the service gives the same response to the same refresh token; the request also takes its time.</summary>
        private const long RepeatableMs = 25000;
        private const int Attempts = 3;

        private readonly Http http;
        private readonly IStorage storage;
        private readonly IClock clock;
        private readonly CancellationToken closing;
        /// <summary>Held by the one request that may replace the session.</summary>
        private readonly SemaphoreSlim turn = new SemaphoreSlim(1, 1);
        private Held held;
        private Task<Held> renewal;

        public event Action<User> Changed;

        public Session(Http http, IStorage storage, IClock clock, CancellationToken closing)
        {
            this.http = http;
            this.storage = storage;
            this.clock = clock;
            this.closing = closing;
            held = Held.Read(storage.Read(Name));
        }

        /// <summary>Null without a session.</summary>
        public User User => held?.User;

        public Task<User> GuestAsync(string displayName) =>
            ExclusivelyAsync(async () => (held ?? await OpenGuestAsync(displayName)).User);

        public Task<User> LoginAsync(string username, string password) =>
            ExclusivelyAsync(async () => (await OpenAsync("/v1/auth/login", Credentials(username, password))).User);

        public async Task<User> UpgradeAsync(string username, string password) =>
            Renamed(await CallAsync("POST", "/v1/users/me/credentials", Credentials(username, password), json => new User(json), closing));

        public async Task<User> RenameAsync(string displayName) =>
            Renamed(await CallAsync("PATCH", "/v1/users/me", new JsonObject { ["displayName"] = displayName }, json => new User(json), closing));

        /// <summary>Ends the session: here in any case, and in the service if it answers.</summary>
        public async Task LogoutAsync()
        {
            // After a refresh in progress, whose response would otherwise restore the session.
            var last = await ExclusivelyAsync(() =>
            {
                var before = held;
                Keep(null);
                return Task.FromResult(before);
            });
            if (last == null) return;
            try
            {
                await http.AskAsync("POST", "/v1/auth/logout", null, last.AccessToken, json => json, closing);
            }
            catch (ScoreboardException error) when (error.Status == 401)
            {
                // The session has already ended.
            }
        }

        /// <summary>The user of a session with an access token that should be valid; creates a guest if there is no session.</summary>
        public async Task<User> AccessAsync() => (await AccessAsync(null)).User;

        /// <summary>
        /// Sends a request with the session's access token, which is refreshed if necessary. It is not repeated for another user, who
        /// may have logged in meanwhile.
        /// </summary>
        /// <param name="userId">the user it is for; default: the session's</param>
        public async Task<T> CallAsync<T>(
            string method, string path, JsonObject body, Func<JsonObject, T> read, CancellationToken cancel, string userId = null)
        {
            var session = await AccessAsync(null);
            var ofUser = userId ?? session.User.Id;
            try
            {
                return await http.AskAsync(method, path, body, AccessTokenOf(ofUser, session), read, cancel);
            }
            catch (ScoreboardException error) when (error.Code == "unauthenticated" && session.User.Id == ofUser)
            {
                session = await AccessAsync(session.AccessToken);
                return await http.AskAsync(method, path, body, AccessTokenOf(ofUser, session), read, cancel);
            }
        }

        private static string AccessTokenOf(string userId, Held session) => session.User.Id == userId
            ? session.AccessToken
            : throw new ScoreboardException("unauthenticated", "Another user has logged in.", 401, TimeSpan.Zero);

        private async Task<Held> AccessAsync(string rejected)
        {
            if (held != null && IsValid(held, rejected)) return held;
            if (renewal == null || renewal.IsCompleted) renewal = ExclusivelyAsync(() => RenewAsync(rejected));
            return await renewal;
        }

        private async Task<Held> RenewAsync(string rejected)
        {
            var session = held;
            // A request of a user who has logged out must not be repeated as a new guest.
            if (session == null && rejected != null)
                throw new ScoreboardException("unauthenticated", "Logged out.", 401, TimeSpan.Zero);
            if (session == null) return await OpenGuestAsync(null);
            if (IsValid(session, rejected)) return session;
            // Stored before sending, because the game may end at any moment.
            var sent = session.Sent(clock.UtcNow.Ms());
            Store(sent);
            for (var failures = 1; ; failures++)
            {
                try
                {
                    return await OpenAsync("/v1/auth/refresh", new JsonObject { ["refreshToken"] = session.RefreshToken });
                }
                catch (ScoreboardException error)
                {
                    if (error.EndsSession) Keep(null);
                    if (error.Status == 429) Store(session);
                    var isLost = error.MayPass && error.Status != 429;
                    if (!isLost || failures == Attempts || !IsRepeatable(sent))
                    {
                        if (error.EndsSession || session.AccessToken == rejected) throw;
                        return session;
                    }
                }
                await clock.DelayAsync(Backoff.After(failures - 1), closing);
            }
        }

        private Task<Held> OpenGuestAsync(string displayName)
        {
            var body = new JsonObject();
            if (displayName != null) body["displayName"] = displayName;
            return OpenAsync("/v1/auth/guest", body);
        }

        private async Task<Held> OpenAsync(string path, JsonObject body)
        {
            var opened = await http.AskAsync("POST", path, body, null, json =>
            {
                var lifetimeMs = json.Integer("expiresIn") * 1000;
                var refreshAt = clock.UtcNow.Ms() + (long)(lifetimeMs * RefreshAfter);
                return new Held(new User(json.Object("user")), json.Text("accessToken"), json.Text("refreshToken"), refreshAt, null);
            }, closing);
            Keep(opened);
            return opened;
        }

        private User Renamed(User user)
        {
            if (held?.User.Id == user.Id) Keep(held.With(user));
            return user;
        }

        private void Keep(Held session)
        {
            var before = held?.User;
            Store(session);
            var isSame = before?.Id == session?.User.Id && before?.DisplayName == session?.User.DisplayName
                && before?.Username == session?.User.Username;
            if (!isSame) Changed?.Invoke(session?.User);
        }

        private void Store(Held session)
        {
            held = session;
            storage.Write(Name, session?.Write());
        }

        private async Task<T> ExclusivelyAsync<T>(Func<Task<T>> work)
        {
            await turn.WaitAsync(closing);
            try
            {
                return await work();
            }
            finally
            {
                turn.Release();
            }
        }

        private bool IsValid(Held session, string rejected) =>
            session.AccessToken != rejected
            && (session.SentAt == null ? clock.UtcNow.Ms() < session.RefreshAt : !IsRepeatable(session));

        private bool IsRepeatable(Held session)
        {
            var age = clock.UtcNow.Ms() - session.SentAt;
            // A negative age: the clock was set back.
            return age >= 0 && age < RepeatableMs;
        }

        private static JsonObject Credentials(string username, string password) =>
            new JsonObject { ["username"] = username, ["password"] = password };

        /// <summary>A session as it is stored, with times by the clock of this device.</summary>
        private sealed class Held
        {
            public readonly User User;
            public readonly string AccessToken;
            public readonly string RefreshToken;
            public readonly long RefreshAt;
            /// <summary>When the refresh token was first sent, if there was no response: it may have been used since.</summary>
            public readonly long? SentAt;

            public Held(User user, string accessToken, string refreshToken, long refreshAt, long? sentAt)
            {
                User = user;
                AccessToken = accessToken;
                RefreshToken = refreshToken;
                RefreshAt = refreshAt;
                SentAt = sentAt;
            }

            public Held Sent(long now) => new Held(User, AccessToken, RefreshToken, RefreshAt, SentAt ?? now);
            public Held With(User user) => new Held(user, AccessToken, RefreshToken, RefreshAt, SentAt);

            public string Write() => Json.Write(new JsonObject
            {
                ["user"] = User.Json,
                ["accessToken"] = AccessToken,
                ["refreshToken"] = RefreshToken,
                ["refreshAt"] = RefreshAt,
                ["sentAt"] = SentAt,
            });

            /// <summary>Null if the text is no session.</summary>
            public static Held Read(string text)
            {
                if (!(Json.TryParse(text) is JsonObject json)) return null;
                try
                {
                    return new Held(
                        new User(json.Object("user")), json.Text("accessToken"), json.Text("refreshToken"),
                        json.Integer("refreshAt"), json.IntegerOrNull("sentAt"));
                }
                catch (FormatException)
                {
                    return null;
                }
            }
        }
    }

    internal static class Times
    {
        /// <summary>Milliseconds since 1970.</summary>
        public static long Ms(this DateTime time) => new DateTimeOffset(time).ToUnixTimeMilliseconds();
    }
}
