import { App, Tags, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { PipelineStack } from './pipeline-stack.js';
import { ScoreboardStack } from './scoreboard-stack.js';
import { type Address, type Context, readSettings } from './settings.js';
import { PRODUCTION, SIMPLE, STAGING } from './stage.js';

const FLAGS = {
  // Checks templates against the rules of CloudFormation, too.
  '@aws-cdk/core:validateAgainstDefaultRules': true,
  // A deployment keeps the current number of tasks, which the scaling decides.
  '@aws-cdk/aws-ecs:removeDefaultDesiredCount': true,
  '@aws-cdk/aws-iam:minimizePolicies': true,
  '@aws-cdk/aws-ecs:disableExplicitDeploymentControllerForCircuitBreaker': true,
};

/**
 * The stacks that the settings allow: the pipeline needs `githubRepository`, the stages `imageDigest` and an address. The
 * credentials decide the account; nothing is looked up.
 * @throws Error if the settings are not usable, or if there are none.
 */
export function buildApp(region: string, context?: Record<string, string>): App {
  const app = new App({ context: { ...FLAGS, ...context }, analyticsReporting: false });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  Tags.of(app).add('project', 'scoreboard-api');
  const given: Context = (name) => {
    const value: unknown = app.node.tryGetContext(name);
    return value === undefined ? undefined : String(value);
  };
  const env = { region };

  const repository = given('githubRepository');
  if (repository !== undefined) {
    new PipelineStack(app, 'ScoreboardPipeline', {
      env,
      repository,
      oidcProviderArn: given('oidcProviderArn'),
    });
  }
  if (repository === undefined || given('imageDigest') !== undefined) {
    const settings = readSettings(given);
    const { address } = settings;
    new ScoreboardStack(app, 'ScoreboardProduction', {
      env,
      settings,
      stage: PRODUCTION,
      terminationProtection: true,
    });
    new ScoreboardStack(app, 'ScoreboardSimple', {
      env,
      settings,
      stage: SIMPLE,
      terminationProtection: true,
    });
    new ScoreboardStack(app, 'ScoreboardStaging', {
      env,
      settings: { ...settings, address: stagingOf(address) },
      stage: STAGING,
    });
  }
  return app;
}

const stagingOf = (address: Address): Address => ({
  ...address,
  domainName: `staging.${address.domainName}`,
});
