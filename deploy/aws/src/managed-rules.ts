/** The rules of a group that AWS maintains: those that reject a request, and those that only count it. */
interface RuleGroup {
  readonly blocked: readonly string[];
  readonly counted: readonly string[];
}

const on = (attack: string, ...parts: string[]) => parts.map((part) => `${attack}_${part}`);

/**
 * Every rule of the groups by name, because each that rejects has an answer of its own. What reads a body only counts: the
 * metadata of a score may hold a URL, a path or a text in any language, and so may names, reasons and addresses of webhooks. The
 * service takes bodies up to 16 KiB (1 MiB in batches) and treats all that is in them as text. Games and servers send no
 * browser's User-Agent.
 */
export const MANAGED_RULES: Readonly<Record<string, RuleGroup>> = {
  AWSManagedRulesAmazonIpReputationList: {
    blocked: ['AWSManagedIPReputationList', 'AWSManagedReconnaissanceList'],
    counted: ['AWSManagedIPDDoSList'],
  },
  AWSManagedRulesKnownBadInputsRuleSet: {
    blocked: [
      ...on('JavaDeserializationRCE', 'HEADER', 'URIPATH', 'QUERYSTRING'),
      ...on('Log4JRCE', 'HEADER', 'URIPATH', 'QUERYSTRING'),
      ...['Host_localhost_HEADER', 'PROPFIND_METHOD', 'ExploitablePaths_URIPATH'],
    ],
    counted: ['JavaDeserializationRCE_BODY', 'Log4JRCE_BODY', 'ReactJSRCE_BODY'],
  },
  AWSManagedRulesCommonRuleSet: {
    blocked: [
      'UserAgent_BadBots_HEADER',
      ...on('SizeRestrictions', 'QUERYSTRING', 'Cookie_HEADER', 'URIPATH'),
      ...on('EC2MetaDataSSRF', 'COOKIE', 'URIPATH', 'QUERYARGUMENTS'),
      ...on('GenericLFI', 'QUERYARGUMENTS', 'URIPATH'),
      ...on('RestrictedExtensions', 'URIPATH', 'QUERYARGUMENTS'),
      ...on('GenericRFI', 'QUERYARGUMENTS', 'URIPATH'),
      ...on('CrossSiteScripting', 'COOKIE', 'QUERYARGUMENTS', 'URIPATH'),
    ],
    counted: [
      'NoUserAgent_HEADER',
      ...['SizeRestrictions', 'EC2MetaDataSSRF', 'GenericLFI', 'GenericRFI', 'CrossSiteScripting'].map(
        (attack) => `${attack}_BODY`,
      ),
    ],
  },
};
