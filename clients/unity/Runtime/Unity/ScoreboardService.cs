using System.IO;
using UnityEngine;

namespace Scoreboard.Unity
{
    /// <summary>The service for this game. Add it to an object that exists as long as the game; actions of an earlier run are sent at its start.</summary>
    [AddComponentMenu("Scoreboard/Scoreboard Service")]
    public sealed class ScoreboardService : MonoBehaviour
    {
        [SerializeField, Tooltip("The address of the service, like https://scores.example.com")]
        private string baseUrl = "http://localhost:3000";

        private ScoreboardClient client;
        private FileStorage files;

        /// <summary>The calls. It is made at the first use, and disposed with this component.</summary>
        public ScoreboardClient Client => client ?? (client = new ScoreboardClient(baseUrl, new UnityTransport(), OpenStorage(), new UnityClock()));

        /// <summary>False in a second running copy of the game: its guest and its waiting actions are gone when it ends.</summary>
        public bool IsKept => Client != null && (files == null || files.IsKept);

        // Awake() is for listeners of other components.
        private void Start() => Client.Resume();

        private void OnDestroy()
        {
            client?.Dispose();
            files?.Dispose();
        }

        private IStorage OpenStorage()
        {
            // A browser has no files that stay.
            if (Application.platform == RuntimePlatform.WebGLPlayer) return new PlayerPrefsStorage("scoreboard:" + baseUrl + ":");
            return files = new FileStorage(Path.Combine(Application.persistentDataPath, "scoreboard"), baseUrl, Debug.LogWarning);
        }
    }
}
