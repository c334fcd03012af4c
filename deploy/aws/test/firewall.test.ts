import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { only, STAGE_STACKS, templateOf, type Value } from './templates.js';

/**
 * Every rule of the groups that reads a body, as AWS documents them, with metadata of the kind that AWS says it matches. AWS does
 * not publish the patterns, and they are not tried here: whatever they match, the template must let it pass.
 */
const OF_BODIES = {
  AWSManagedRulesCommonRuleSet: {
    SizeRestrictions_BODY: { notes: 'x'.repeat(9_000) },
    EC2MetaDataSSRF_BODY: { mirror: 'http://169.254.169.254/latest/meta-data/' },
    GenericLFI_BODY: { level: '../../levels/7' },
    GenericRFI_BODY: { replay: 'https://198.51.100.7/replays/1.json' },
    CrossSiteScripting_BODY: { quote: '<script>alert("gg")</script>' },
  },
  AWSManagedRulesKnownBadInputsRuleSet: {
    JavaDeserializationRCE_BODY: { build: '(java.lang.Runtime).getRuntime().exec("whoami")' },
    Log4JRCE_BODY: { team: ['$', '{jndi:ldap://example.com/}'].join('') },
    ReactJSRCE_BODY: { mod: '$1:__proto__:then' },
  },
};
/** The others of these groups. */
const OF_THE_REST = {
  AWSManagedRulesCommonRuleSet: [
    ...['NoUserAgent_HEADER', 'UserAgent_BadBots_HEADER', 'SizeRestrictions_QUERYSTRING'],
    ...['SizeRestrictions_Cookie_HEADER', 'SizeRestrictions_URIPATH', 'EC2MetaDataSSRF_COOKIE'],
    ...['EC2MetaDataSSRF_URIPATH', 'EC2MetaDataSSRF_QUERYARGUMENTS', 'GenericLFI_QUERYARGUMENTS'],
    ...['GenericLFI_URIPATH', 'RestrictedExtensions_URIPATH', 'RestrictedExtensions_QUERYARGUMENTS'],
    ...['GenericRFI_QUERYARGUMENTS', 'GenericRFI_URIPATH', 'CrossSiteScripting_COOKIE'],
    ...['CrossSiteScripting_QUERYARGUMENTS', 'CrossSiteScripting_URIPATH'],
  ],
  AWSManagedRulesKnownBadInputsRuleSet: [
    ...[
      'JavaDeserializationRCE_HEADER',
      'JavaDeserializationRCE_URIPATH',
      'JavaDeserializationRCE_QUERYSTRING',
    ],
    ...['Host_localhost_HEADER', 'PROPFIND_METHOD', 'ExploitablePaths_URIPATH'],
    ...['Log4JRCE_HEADER', 'Log4JRCE_QUERYSTRING', 'Log4JRCE_URIPATH'],
  ],
};

const catalogue = readFileSync('../../schemas/problem.ts', 'utf8');

for (const stack of STAGE_STACKS) {
  const { Rules, CustomResponseBodies, DefaultAction } = only(templateOf(stack), 'AWS::WAFv2::WebACL');
  const groups = Rules.flatMap(({ Statement }: Value) => Statement.ManagedRuleGroupStatement ?? []);
  const overridesOf = (group: string): Value[] =>
    groups.find(({ Name }: Value) => Name === group).RuleActionOverrides;
  /** What happens to a request that a rule of a group matches. Blocked is what the template leaves to AWS. */
  const outcome = (group: string, rule: string): Value =>
    overridesOf(group).find(({ Name }: Value) => Name === rule)?.ActionToUse ?? { Block: {} };

  test(`${stack}: no metadata of a score is rejected, whichever rule it matches`, () => {
    assert.deepEqual(DefaultAction, { Allow: {} });
    for (const [group, rules] of Object.entries(OF_BODIES)) {
      for (const [rule, metadata] of Object.entries(rules)) {
        const body = JSON.stringify({ actionToken: 'x', metadata });
        assert.deepEqual(outcome(group, rule), { Count: {} }, `${rule} sees ${body.slice(0, 80)}`);
      }
    }
    // Rules of our own look at addresses and paths only.
    const own = Rules.filter(({ Statement }: Value) => !Statement.ManagedRuleGroupStatement);
    assert.doesNotMatch(JSON.stringify(own), /JsonBody|"Body"/);
  });

  test(`${stack}: every rule of a group is named, and those that read no body reject`, () => {
    for (const [group, rest] of Object.entries(OF_THE_REST)) {
      const bodies = Object.entries(OF_BODIES).flatMap(([name, rules]) =>
        name === group ? Object.keys(rules) : [],
      );
      const named = overridesOf(group).map(({ Name }) => Name);
      assert.deepEqual(named.sort(), [...bodies, ...rest].sort());
      for (const rule of rest) {
        if (rule !== 'NoUserAgent_HEADER') assert.ok(outcome(group, rule).Block, rule);
      }
    }
    assert.deepEqual(groups.map(({ Name }: Value) => Name).sort(), [
      'AWSManagedRulesAmazonIpReputationList',
      ...Object.keys(OF_BODIES).sort(),
    ]);
  });

  test(`${stack}: whoever is rejected reads a problem of the catalogue`, () => {
    const blocks = [
      ...Rules.map(({ Action }: Value) => Action?.Block),
      ...groups.flatMap(({ RuleActionOverrides }: Value) =>
        RuleActionOverrides.map(({ ActionToUse }: Value) => ActionToUse.Block),
      ),
    ].filter(Boolean);
    assert.ok(blocks.length > 20);
    for (const { CustomResponse } of blocks) {
      const { ResponseCode, CustomResponseBodyKey: code } = CustomResponse;
      const { ContentType, Content } = CustomResponseBodies[code];
      assert.equal(ContentType, 'APPLICATION_JSON');
      const { status, title, type, code: told, detail } = JSON.parse(Content);
      assert.deepEqual([status, told, type], [ResponseCode, code, `urn:scoreboard:problem:${code}`]);
      assert.match(detail, /firewall/);
      assert.match(catalogue, new RegExp(`'?${code}'?: \\{ status: ${status}, title: '${title}' \\}`));
    }
    for (const { Action } of Rules.filter(({ Statement }: Value) => Statement.RateBasedStatement)) {
      const { ResponseCode, ResponseHeaders } = Action.Block.CustomResponse;
      assert.deepEqual([ResponseCode, ResponseHeaders], [429, [{ Name: 'retry-after', Value: '60' }]]);
    }
  });
}
