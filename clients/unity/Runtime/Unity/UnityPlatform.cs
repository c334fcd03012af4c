using System;
using System.Threading;
using System.Threading.Tasks;
using UnityEngine;

namespace Scoreboard.Unity
{
    /// <summary>Keeps texts in PlayerPrefs, which have no lock: two tabs of a WebGL build end each other's session.</summary>
    public sealed class PlayerPrefsStorage : IStorage
    {
        private readonly string prefix;

        /// <param name="prefix">of the names, so that a game can use several services</param>
        public PlayerPrefsStorage(string prefix)
        {
            this.prefix = prefix;
        }

        public string Read(string name)
        {
            var text = PlayerPrefs.GetString(prefix + name, "");
            return text == "" ? null : text;
        }

        public void Write(string name, string text)
        {
            if (text == null) PlayerPrefs.DeleteKey(prefix + name);
            else PlayerPrefs.SetString(prefix + name, text);
            PlayerPrefs.Save();
        }
    }

    /// <summary>Waits frame by frame: Task.Delay() needs threads, which a browser does not have.</summary>
    public sealed class UnityClock : IClock
    {
        public DateTime UtcNow => DateTime.UtcNow;

        public async Task DelayAsync(TimeSpan time, CancellationToken cancel)
        {
            var end = Time.realtimeSinceStartup + time.TotalSeconds;
            while (Time.realtimeSinceStartup < end)
            {
                cancel.ThrowIfCancellationRequested();
                // Goes on in the next frame.
                await Task.Yield();
            }
            cancel.ThrowIfCancellationRequested();
        }
    }
}
