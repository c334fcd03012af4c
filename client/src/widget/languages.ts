/** A text with {placeholders}; or one for each plural category of its language, see Intl.PluralRules. */
export type Template =
  | string
  | ({ readonly other: string } & { readonly [C in Intl.LDMLPluralRule]?: string });

/** All texts that the element shows or announces. Values are already formatted for its language. */
export interface Texts {
  readonly rank: string;
  readonly player: string;
  readonly score: string;
  /** Shown beside the user's name. */
  readonly you: string;
  readonly live: string;
  readonly connecting: string;
  readonly reconnecting: string;
  readonly closed: string;
  readonly empty: string;
  readonly unknownBoard: string;
  readonly failed: string;
  /** Shown when there was no answer for a while; the element keeps trying. */
  readonly unreachable: string;
  /** Shown with the winners of a season that has ended. */
  readonly finalStandings: string;
  /** When the season ends: {time}. */
  readonly endsIn: Template;
  /** Announced at the end of a season: {name}. */
  readonly won: Template;
  /** The number of entries: {count}. */
  readonly total: Template | ((count: number, formatted: string) => string);
  /** Announced: {name}. */
  readonly leads: Template | ((name: string) => string);
  /** Announced: {rank} and {total}. */
  readonly ownRank: Template | ((rank: string, total: string) => string);
}

/** The built-in texts, by primary language. */
export const LANGUAGES: { readonly en: Texts; readonly [language: string]: Texts | undefined } = {
  en: {
    rank: 'Rank',
    player: 'Player',
    score: 'Score',
    you: 'You',
    live: 'Live',
    connecting: 'Connecting…',
    reconnecting: 'Reconnecting…',
    closed: 'Unavailable',
    empty: 'No scores yet. The first place is free.',
    unknownBoard: 'There is no such leaderboard.',
    failed: 'This leaderboard cannot be shown.',
    unreachable: 'The leaderboard does not answer. Trying again…',
    finalStandings: 'Final standings',
    endsIn: 'Ends in {time}',
    won: '{name} has won.',
    total: { one: '{count} player', other: '{count} players' },
    leads: '{name} leads.',
    ownRank: 'Your rank is {rank} of {total}.',
  },
  de: {
    rank: 'Rang',
    player: 'Name',
    score: 'Punkte',
    you: 'Du',
    live: 'Live',
    connecting: 'Verbinden…',
    reconnecting: 'Neu verbinden…',
    closed: 'Nicht verfügbar',
    empty: 'Noch keine Punkte. Der erste Platz ist frei.',
    unknownBoard: 'Diese Rangliste gibt es nicht.',
    failed: 'Diese Rangliste kann nicht gezeigt werden.',
    unreachable: 'Die Rangliste antwortet nicht. Neuer Versuch…',
    finalStandings: 'Endstand',
    endsIn: 'Endet in {time}',
    won: '{name} hat gewonnen.',
    total: '{count} dabei',
    leads: '{name} führt.',
    ownRank: 'Dein Rang ist {rank} von {total}.',
  },
  fr: {
    rank: 'Rang',
    player: 'Joueur',
    score: 'Score',
    you: 'Vous',
    live: 'En direct',
    connecting: 'Connexion…',
    reconnecting: 'Reconnexion…',
    closed: 'Indisponible',
    empty: 'Pas encore de scores. La première place est libre.',
    unknownBoard: 'Ce classement n’existe pas.',
    failed: 'Ce classement ne peut pas être affiché.',
    unreachable: 'Le classement ne répond pas. Nouvel essai…',
    finalStandings: 'Classement final',
    endsIn: 'Fin dans {time}',
    won: '{name} a gagné.',
    total: { one: '{count} joueur', other: '{count} joueurs' },
    leads: '{name} est en tête.',
    ownRank: 'Vous êtes au rang {rank} sur {total}.',
  },
  es: {
    rank: 'Puesto',
    player: 'Jugador',
    score: 'Puntos',
    you: 'Tú',
    live: 'En vivo',
    connecting: 'Conectando…',
    reconnecting: 'Reconectando…',
    closed: 'No disponible',
    empty: 'Aún no hay puntos. El primer puesto está libre.',
    unknownBoard: 'Esta clasificación no existe.',
    failed: 'No se puede mostrar esta clasificación.',
    unreachable: 'La clasificación no responde. Reintentando…',
    finalStandings: 'Clasificación final',
    endsIn: 'Termina en {time}',
    won: '{name} ha ganado.',
    total: { one: '{count} jugador', other: '{count} jugadores' },
    leads: '{name} va en cabeza.',
    ownRank: 'Tu puesto es el {rank} de {total}.',
  },
  pt: {
    rank: 'Lugar',
    player: 'Jogador',
    score: 'Pontos',
    you: 'Você',
    live: 'Ao vivo',
    connecting: 'Conectando…',
    reconnecting: 'Reconectando…',
    closed: 'Indisponível',
    empty: 'Ainda não há pontos. O primeiro lugar está livre.',
    unknownBoard: 'Esta classificação não existe.',
    failed: 'Não é possível mostrar esta classificação.',
    unreachable: 'A classificação não responde. Nova tentativa…',
    finalStandings: 'Classificação final',
    endsIn: 'Termina em {time}',
    won: '{name} venceu.',
    total: { one: '{count} jogador', other: '{count} jogadores' },
    leads: '{name} lidera.',
    ownRank: 'O seu lugar é {rank} de {total}.',
  },
  it: {
    rank: 'Posto',
    player: 'Giocatore',
    score: 'Punti',
    you: 'Tu',
    live: 'In diretta',
    connecting: 'Connessione…',
    reconnecting: 'Riconnessione…',
    closed: 'Non disponibile',
    empty: 'Ancora nessun punto. Il primo posto è libero.',
    unknownBoard: 'Questa classifica non esiste.',
    failed: 'Questa classifica non può essere mostrata.',
    unreachable: 'La classifica non risponde. Nuovo tentativo…',
    finalStandings: 'Classifica finale',
    endsIn: 'Termina tra {time}',
    won: '{name} ha vinto.',
    total: { one: '{count} giocatore', other: '{count} giocatori' },
    leads: '{name} è in testa.',
    ownRank: 'Il tuo posto è {rank} su {total}.',
  },
  pl: {
    rank: 'Miejsce',
    player: 'Gracz',
    score: 'Wynik',
    you: 'Ty',
    live: 'Na żywo',
    connecting: 'Łączenie…',
    reconnecting: 'Ponowne łączenie…',
    closed: 'Niedostępne',
    empty: 'Nie ma jeszcze wyników. Pierwsze miejsce jest wolne.',
    unknownBoard: 'Nie ma takiego rankingu.',
    failed: 'Nie można pokazać tego rankingu.',
    unreachable: 'Ranking nie odpowiada. Kolejna próba…',
    finalStandings: 'Wyniki końcowe',
    endsIn: 'Koniec za {time}',
    won: 'Wygrywa {name}.',
    total: { one: '{count} gracz', few: '{count} gracze', other: '{count} graczy' },
    leads: 'Prowadzi {name}.',
    ownRank: 'Twoje miejsce: {rank} z {total}.',
  },
  ar: {
    rank: 'المركز',
    player: 'اللاعب',
    score: 'النقاط',
    you: 'أنت',
    live: 'مباشر',
    connecting: 'جارٍ الاتصال…',
    reconnecting: 'جارٍ إعادة الاتصال…',
    closed: 'غير متاح',
    empty: 'لا توجد نقاط بعد. المركز الأول شاغر.',
    unknownBoard: 'لا توجد لوحة متصدرين بهذا الاسم.',
    failed: 'لا يمكن عرض لوحة المتصدرين هذه.',
    unreachable: 'لوحة المتصدرين لا تستجيب. جارٍ إعادة المحاولة…',
    finalStandings: 'الترتيب النهائي',
    endsIn: 'ينتهي خلال {time}',
    won: '{name} هو الفائز.',
    total: {
      one: 'لاعب واحد',
      two: 'لاعبان',
      few: '{count} لاعبين',
      many: '{count} لاعبًا',
      other: '{count} لاعب',
    },
    leads: '{name} في الصدارة.',
    ownRank: 'مركزك {rank} من {total}.',
  },
  ja: {
    rank: '順位',
    player: 'プレイヤー',
    score: 'スコア',
    you: 'あなた',
    live: 'ライブ',
    connecting: '接続中…',
    reconnecting: '再接続中…',
    closed: '利用できません',
    empty: 'まだスコアがありません。1位はまだ空いています。',
    unknownBoard: 'このランキングは存在しません。',
    failed: 'このランキングは表示できません。',
    unreachable: 'ランキングが応答しません。再試行中…',
    finalStandings: '最終結果',
    endsIn: '終了まで{time}',
    won: '{name}の優勝です。',
    total: '{count}人',
    leads: '首位は{name}です。',
    ownRank: 'あなたの順位は{total}人中{rank}位です。',
  },
  zh: {
    rank: '排名',
    player: '玩家',
    score: '分数',
    you: '你',
    live: '实时',
    connecting: '正在连接…',
    reconnecting: '正在重新连接…',
    closed: '不可用',
    empty: '还没有分数，第一名虚位以待。',
    unknownBoard: '没有这个排行榜。',
    failed: '无法显示这个排行榜。',
    unreachable: '排行榜没有响应，正在重试…',
    finalStandings: '最终排名',
    endsIn: '{time}后结束',
    won: '{name} 获胜。',
    total: '{count} 名玩家',
    leads: '{name} 领先。',
    ownRank: '你的排名是第 {rank}，共 {total} 名。',
  },
};
