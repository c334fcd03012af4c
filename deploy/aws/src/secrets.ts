import { Validations } from 'aws-cdk-lib';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { except } from './exceptions.js';
import type { Stage } from './stage.js';

/** Of exceptions: why secrets have no key of ours. */
export const OWN_KEY =
  'The key of Secrets Manager: who may read a secret is decided by its policy, and by IAM.';

/**
 * The two signing secrets. Secrets Manager generates each, so they differ. Each has a second field for the previous value;
 * an empty one counts as not set.
 */
export class SigningSecrets extends Construct {
  /** Fields `JWT_SECRET` and `JWT_SECRET_PREVIOUS`. */
  readonly jwt: Secret;
  /** Fields `ACTION_TOKEN_SECRET` and `ACTION_TOKEN_SECRET_PREVIOUS`. */
  readonly actionToken: Secret;

  constructor(scope: Construct, id: string, stage: Stage) {
    super(scope, id);
    const make = (name: string, secretName: string) => {
      const secret = new Secret(this, name, {
        secretName: `${stage.serviceName}/${secretName}`,
        generateSecretString: {
          generateStringKey: name,
          secretStringTemplate: JSON.stringify({ [`${name}_PREVIOUS`]: '' }),
          passwordLength: 64,
          excludePunctuation: true,
        },
        removalPolicy: stage.removalPolicy,
      });
      Validations.of(secret).acknowledge({
        id: 'AwsSolutions-SMG4',
        reason: 'A signing secret is replaced by a person: game servers that mint need the new one too.',
      });
      except(secret, { CKV_AWS_149: OWN_KEY });
      return secret;
    };
    this.jwt = make('JWT_SECRET', 'jwt');
    this.actionToken = make('ACTION_TOKEN_SECRET', 'action-token');
  }
}
