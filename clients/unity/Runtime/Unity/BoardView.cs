using System;
using System.Collections.Generic;
using System.Globalization;
using UnityEngine;
using UnityEngine.UI;

namespace Scoreboard.Unity
{
    /// <summary>
    /// Shows the top of a leaderboard, live, as children of its object, and below it the player, who may be further down. Add it to an
    /// object of a Canvas; a VerticalLayoutGroup arranges the rows.
    /// </summary>
    [AddComponentMenu("Scoreboard/Board View")]
    [RequireComponent(typeof(VerticalLayoutGroup))]
    public sealed class BoardView : MonoBehaviour
    {
        [SerializeField] private ScoreboardService service;
        [SerializeField] private string leaderboard = "global";
        [SerializeField, Range(1, 100)] private int limit = 10;
        [SerializeField, Tooltip("How a row looks: a Text, for example of a prefab. It is copied.")]
        private Text row;
        [SerializeField] private Color ownColor = Color.yellow;
        [SerializeField] private string connecting = "Connecting…";
        [SerializeField] private string reconnecting = "Offline. Trying again…";

        private readonly List<Text> rows = new List<Text>();
        private IDisposable subscription;

        private void OnEnable()
        {
            service.Client.UserChanged += Subscribe;
            Subscribe(service.Client.User);
        }

        private void OnDisable()
        {
            service.Client.UserChanged -= Subscribe;
            subscription?.Dispose();
        }

        private void Subscribe(User user)
        {
            subscription?.Dispose();
            subscription = service.Client.Leaderboard(leaderboard).Subscribe(Show, limit, user?.Id);
        }

        private void Show(LiveView view)
        {
            var me = service.Client.User?.Id;
            var count = 0;
            if (view.Board != null)
            {
                var isShown = false;
                foreach (var entry in view.Board.Items)
                {
                    isShown |= entry.UserId == me;
                    Write(count++, Line(entry.Rank, entry.DisplayName, entry.Score), entry.UserId == me);
                }
                if (!isShown && view.Standing?.Rank != null && view.Standing.Score != null)
                    Write(count++, Line(view.Standing.Rank.Value, service.Client.User?.DisplayName, view.Standing.Score.Value), true);
            }
            if (view.State == LiveState.Connecting) Write(count++, connecting, false);
            else if (view.State == LiveState.Reconnecting) Write(count++, reconnecting, false);
            else if (view.Error != null) Write(count++, view.Error.Message, false);
            for (; count < rows.Count; count++) rows[count].gameObject.SetActive(false);
        }

        private static string Line(long rank, string name, long score) =>
            string.Format(CultureInfo.CurrentCulture, "{0}. {1}  {2:N0}", rank, name, score);

        private void Write(int at, string text, bool isOwn)
        {
            if (at == rows.Count) rows.Add(NewRow());
            var shown = rows[at];
            shown.text = text;
            shown.color = isOwn ? ownColor : row.color;
            shown.gameObject.SetActive(true);
        }

        private Text NewRow()
        {
            var copy = Instantiate(row, transform);
            // Players choose their names.
            copy.supportRichText = false;
            return copy;
        }
    }
}
