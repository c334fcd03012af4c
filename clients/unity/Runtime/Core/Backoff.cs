using System;

namespace Scoreboard
{
    internal static class Backoff
    {
        private const double FirstSeconds = 1;
        private const double LastSeconds = 30;
        private static readonly Random Random = new Random();

        /// <summary>
        /// Time to wait after a number of consecutive failures. Full jitter: between zero and a limit that doubles, so that games
        /// that failed together do not retry together.
        /// </summary>
        public static TimeSpan After(int failures) =>
            TimeSpan.FromSeconds(Random.NextDouble() * Math.Min(LastSeconds, FirstSeconds * Math.Pow(2, failures)));
    }
}
