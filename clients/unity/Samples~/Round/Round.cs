using System;
using Scoreboard;
using Scoreboard.Unity;
using UnityEngine;

/// <summary>A round: press the space bar as often as you can in ten seconds. Its presses are one score.</summary>
public sealed class Round : MonoBehaviour
{
    [SerializeField] private ScoreboardService service;
    private string message = "";
    private int presses;
    private float endsAt;
    private BegunAction begun;

    private async void Start()
    {
        service.Client.Counted += (action, receipt) => message = receipt.Points + " points count.";
        service.Client.Refused += (action, error) => message = error.Message;
        await Begin();
    }

    private void Update()
    {
        if (endsAt == 0) return;
        if (Input.GetKeyDown(KeyCode.Space)) presses++;
        if (Time.time < endsAt) return;
        endsAt = 0;
        Finish();
    }

    private async System.Threading.Tasks.Task Begin()
    {
        presses = 0;
        endsAt = Time.time + 10;
        try
        {
            // Where it fails, as offline, the action gets its token later.
            begun = null;
            begun = await service.Client.BeginActionAsync("finish-level");
        }
        catch (Exception error) when (error is ScoreboardException || error is OperationCanceledException)
        {
            message = error.Message;
        }
    }

    private async void Finish()
    {
        try
        {
            message = "Counting…";
            if (presses > 0) await service.Client.PerformActionAsync("finish-level", Mathf.Min(presses, 100), begun);
        }
        catch (ScoreboardException error)
        {
            message = error.Code == ScoreboardException.Queued ? "Saved. It counts when you are online again." : error.Message;
        }
        await Begin();
    }

    private void OnGUI() => GUILayout.Label("Press space: " + presses + "\n" + message);
}
