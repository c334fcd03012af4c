using System;
using System.Collections.Generic;
using System.IO;
using System.Security.Cryptography;
using System.Text;

namespace Scoreboard
{
    /// <summary>
    /// Keeps each text in a file. Of several games that run at once, the first one keeps them, by a lock of the operating system
    /// that ends with its process; the others play as games that keep nothing.
    /// </summary>
    public sealed class FileStorage : IStorage, IDisposable
    {
        /// <summary>
        /// Held in this process. A second file of the lock must not even be opened here: when that is closed, POSIX ends the lock too.
        /// </summary>
        private static readonly HashSet<string> Here = new HashSet<string>();

        private readonly string folder;
        private readonly Action<string> warn;
        /// <summary>Names that could not be read: they are not written over.</summary>
        private readonly HashSet<string> unreadable = new HashSet<string>();
        /// <summary>Held open as the lock; null in a game that keeps nothing.</summary>
        private FileStream held;
        private bool isDisposed;

        /// <param name="folder">of the game; each service has a folder of its own in it</param>
        /// <param name="baseUrl">of the service, as each has users of its own</param>
        /// <param name="warn">called with a text for developers, when something cannot be kept</param>
        public FileStorage(string folder, string baseUrl, Action<string> warn)
        {
            this.folder = Path.GetFullPath(Path.Combine(folder, NameOf(baseUrl)));
            this.warn = warn;
            try
            {
                Directory.CreateDirectory(this.folder);
                held = Hold(Path.Combine(this.folder, "lock"));
            }
            catch (Exception cause) when (cause is IOException || cause is UnauthorizedAccessException)
            {
                warn("Another running copy of the game keeps the session, or its folder cannot be written: this one plays as a guest "
                    + "of its own, and keeps nothing. " + cause.Message);
            }
        }

        /// <summary>False in a second running game, whose guest and waiting actions are gone when it ends, and where a file cannot be read.</summary>
        public bool IsKept => held != null && unreadable.Count == 0;

        public string Read(string name)
        {
            try
            {
                return held != null && File.Exists(PathOf(name)) ? File.ReadAllText(PathOf(name)) : null;
            }
            catch (Exception cause) when (cause is IOException || cause is UnauthorizedAccessException)
            {
                unreadable.Add(name);
                warn("Cannot read " + name + ", so it is not kept: " + cause.Message);
                return null;
            }
        }

        public void Write(string name, string text)
        {
            if (isDisposed) throw new ObjectDisposedException(nameof(FileStorage));
            if (held == null || unreadable.Contains(name)) return;
            var path = PathOf(name);
            try
            {
                if (text == null)
                {
                    File.Delete(path);
                    return;
                }
                // A game that ends meanwhile, or a full disk, leaves the old file whole.
                File.WriteAllText(path + ".new", text);
                if (File.Exists(path)) File.Replace(path + ".new", path, null);
                else File.Move(path + ".new", path);
            }
            catch (Exception cause) when (cause is IOException || cause is UnauthorizedAccessException)
            {
                warn("Cannot store " + name + ": " + cause.Message);
            }
        }

        /// <summary>Lets the next game keep the files.</summary>
        public void Dispose()
        {
            isDisposed = true;
            if (held == null) return;
            held.Dispose();
            held = null;
            lock (Here) Here.Remove(folder);
        }

        private FileStream Hold(string path)
        {
            lock (Here)
            {
                if (Here.Contains(folder)) throw new IOException("It is in this process.");
                var file = Lock(path);
                Here.Add(folder);
                return file;
            }
        }

        private static FileStream Lock(string path)
        {
            var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            try
            {
                // Mono and IL2CPP keep other processes out only with this, except on Windows.
                file.Lock(0, 1);
            }
            catch (PlatformNotSupportedException)
            {
                // Then FileShare.None is all that there is.
            }
            catch (IOException)
            {
                file.Dispose();
                throw;
            }
            return file;
        }

        private static string NameOf(string baseUrl)
        {
            using (var hash = SHA256.Create())
            {
                var bytes = hash.ComputeHash(Encoding.UTF8.GetBytes(baseUrl.TrimEnd('/')));
                return BitConverter.ToString(bytes, 0, 8).Replace("-", "").ToLowerInvariant();
            }
        }

        private string PathOf(string name) => Path.Combine(folder, name + ".json");
    }
}
