-- banned_until: when the ban ends by itself; null is by hand. hidden_at: since when the user is off all boards, and does not know.
-- banned_by, hidden_by, named_by: the lines of the audit by which it is so. A name that was given by an administrator is locked: the
-- user cannot change it.

-- step
ALTER TABLE users
  ADD banned_until timestamptz(3),
  ADD banned_by    uuid,
  ADD hidden_at    timestamptz(3),
  ADD hidden_by    uuid,
  ADD named_by     uuid;
-- undoes: the line of the audit that this one takes back.
ALTER TABLE admin_audit ADD undoes uuid;
-- undoes: the act that is taken back, of one that takes its time.
ALTER TABLE admin_acts ADD undoes uuid;

-- What a name looks like at a glance, for a search: without case, accents, spaces and signs; letters that are confused, and digits
-- that stand for letters, are one; repeated ones are one; the first 32. So "Ädа", "4dda" and "A_D_A" are the same. It needs no extension, which
-- managed databases may refuse, and an index on it needs no column that everybody who writes a name would have to fill. What is
-- found by the beginning of a key is in the order of the index, however many names there are that begin so: trigrams would
-- collect them all first.
CREATE FUNCTION name_key(name text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  key text = translate(regexp_replace(normalize(name, NFKD) COLLATE "C",
    '[\u0001-\u0020"#%&''()*,\-./:;<=>?\[\\\]^_`{}~\u007f-\u00a0\u00a8\u00ad\u00b4\u00b7\u00b8\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u2000-\u206f\u20d0-\u20ff\u3000-\u3003\ufe00-\ufe0f\ufe20-\ufe2f\ufeff]+',
    '', 'g'), '!$+013456789@ABCDEFGHIJKLMNOPQRSTUVWXYZi|', 'lstoleasgtbgaabcdefghljklmnopqrstuvwxyzll');
BEGIN
  -- The long list is looked through for each letter.
  IF octet_length(key) > length(key) THEN
    key = translate(key,
    '¡ÆÐØÞĐĦıŁŊŒŦƁƂƄƅƆƇƉƊƋƍƎƏƐƑƓƔƖƗƘƜƝƟƢƤƦƧƩƬƮƱƲƳƵƷƸƼƽǀǤǶǷȜȠȢȤȺȻȽȾɁɃɄɅɆɈɊɌɎɑɡɢɣɩɪɯɴʀʋʏʙʜʝʟͰͲͶͿΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦ'
    || 'ΧΨΩαβγεζηικμνορστυχϏϘϚϜϝϞϠϳϷϺϻϽϾϿЂЄЅІЈЉЊЋЏАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯавгекмнорстухьѕіјѠѡѢѤѦѨѪѬѮѰѲѴѵѸѺѼѾҀҊҌ'
    || 'ҎҐҒҔҖҘҚҜҞҠҢҤҦҨҪҬҮүҰҲҴҶҸҺһҼҽҾӀӃӅӇӉӋӍӏӔӘӠӨӶӺӼӾԀԁԂԄԆԈԊԌԍԎԐԒԔԖԘԚԛԜԝԞԠԢԤԦԨԪԬԮԱԲԳԴԵԶԷԸԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖ'
    || 'ագզհոռստցքօႠႡႢႣႤႥႦႧႨႩႪႫႬႭႮႯႰႱႲႳႴႵႶႷႸႹႺႻႼႽႾႿჀჁჂჃჄჅჇჍყჿᲀᲂᲃᲄᲅᲉᲐᲑᲒᲓᲔᲕᲖᲗᲘᲙᲚᲛᲜᲝᲞᲟᲠᲡᲢᲣᲤᲥᲦᲧᲨᲩᲪᲫᲬᲭᲮᲯᲰᲱᲲᲳᲴᲵᲶᲷᲸᲹᲺᲽᲾᲿᴀᴄᴅᴇᴊ'
    || 'ᴋᴍᴏᴑᴘᴛᴜᴠᴡᴢᴦᶃᶌẝẞỺỼỾỿ€ℲↃⱠⱢⱣⱤⱧⱩⱫⱭⱮⱯⱰⱲⱵⱾⱿꙀꙂꙄꙆꙇꙈꙊꙌꙎꙐꙒꙔꙖꙘꙚꙜꙞꙠꙢꙤꙦꙨꙪꙬꚀꚂꚄꚆꚈꚊꚌꚎꚐꚒꚔꚖꚘꚚꜢꜤꜦꜨꜪꜬꜮꜰꜱꜲꜴꜶꜸꜺꜼꜾꝀꝂꝄꝆꝈꝊꝌꝎꝐꝒꝔꝖꝘꝚꝜꝞꝠꝢꝤ'
    || 'ꝦꝨꝪꝬꝮꝹꝻꝽꝾꞀꞂꞄꞆꞋꞍꞐꞒꞖꞘꞙꞚꞜꞞꞟꞠꞢꞤꞦꞨꞪꞫꞬꞭꞮꞰꞱꞲꞳꞴꞵꞶꞸꞺꞼꞾꟀꟂꟄꟅꟆꟇꟉꟋꟌ꟎Ꟑ꟒꟔ꟖꟘꟚꟜꟵꬲꬵꬽꭇꭈꭎꭒꭓꭚ',
    'læðøþđħlłŋœŧɓƃbbɔƈɖɗƌgǝəɛƒɠylɨƙwɲɵƣƥrƨʃƭʈʊuƴƶʒƹsslǥƕƿȝƞȣȥⱥȼƚⱦɂƀʉʌɇɉɋɍɏaggyllwnruybhjlͱͳͷjabyδezhθlkλmvξoπpotuφ'
    || 'xψωabyezhlkmvopotuxϗϙϛffϟϡjϸmmͻͼͽђєsljљњћџaбbrдeжзиkлmhoпpctyфxцчшщъыbэюяabrekmhopctyxbsljwwѣѥѧѩѫѭѯѱѳvvѹѻѽѿҁҋҍ'
    || 'ҏґғҕҗҙқҝҟҡңҥҧҩҫҭyyұҳҵҷҹhheeҿlӄӆӈӊӌӎlӕәӡөӷӻӽӿddԃԅԇԉԋggԏԑԓԕԗԙqqwwԟԡԣԥԧԩԫԭԯwբqդեqէըթժիլխծկhձղճմյնշnչպջnuվsրgւփfoֆ'
    || 'wqqhnnusgfoⴀⴁⴂⴃⴄⴅⴆⴇⴈⴉⴊⴋⴌⴍⴎⴏⴐⴑⴒⴓⴔⴕⴖⴗⴘⴙⴚⴛⴜⴝⴞⴟⴠⴡⴢⴣⴤⴥⴧⴭyobocttᲊაბგდევზთიკლმნოპჟრსტუფქღyშჩცძწჭხჯჰჱჲჳჴჵჶჷჸჹჺჽჾoacdej'
    || 'kmooptuvwzrgyfßỻỽyyeⅎↄⱡɫᵽɽⱨⱪⱬaɱɐɒⱳⱶȿɀꙁꙃꙅllꙉꙋꙍꙏꙑꙓꙕꙗꙙꙛꙝꙟꙡꙣꙥꙧꙩꙫꙭꚁꚃꚅꚇꚉꚋꚍꚏꚑꚓꚕꚗꚙꚛꜣꜥꜧꜩꜫꜭꜯfsꜳꜵꜷꜹꜻꜽꜿꝁꝃꝅꝇꝉꝋꝍꝏꝑꝓꝕꝗꝙꝛꝝꝟꝡꝣꝥ'
    || 'ꝧꝩꝫꝭꝯꝺꝼᵹꝿꞁꞃꞅꞇꞌɥꞑꞓꞗffꞛꞝuuꞡꞣꞥꞧꞩɦɜgɬlʞʇjxbbꞷꞹꞻꞽꞿꟁꟃꞔʂᶎꟈꟊɤꟍ꟏ꟑꟓꟕꟗꟙꟛƛꟶeforruuxy');
  END IF;
  RETURN left(regexp_replace(key, '(.)\1+', '\1', 'g'), 32);
END
$$;

-- step
CREATE INDEX CONCURRENTLY users_name_idx ON users (name_key(display_name) COLLATE "C", id);

-- step
-- Among millions of names, those of the few who are banned.
CREATE INDEX CONCURRENTLY users_banned_name_idx ON users (name_key(display_name) COLLATE "C", id) WHERE banned_at IS NOT NULL;

-- step
CREATE INDEX CONCURRENTLY users_banned_username_idx ON users (lower(username COLLATE "C"), id)
  WHERE banned_at IS NOT NULL AND username IS NOT NULL;

-- step
CREATE INDEX CONCURRENTLY users_hidden_idx ON users (id) WHERE hidden_at IS NOT NULL;

-- step
CREATE INDEX CONCURRENTLY admin_audit_target_idx ON admin_audit (target, id);

-- step
CREATE INDEX CONCURRENTLY admin_audit_actor_idx ON admin_audit (actor, id);

-- step
CREATE INDEX CONCURRENTLY admin_audit_action_idx ON admin_audit (action, id);

-- step
-- An act is taken back once.
CREATE UNIQUE INDEX CONCURRENTLY admin_audit_undoes_key ON admin_audit (undoes) WHERE undoes IS NOT NULL;
