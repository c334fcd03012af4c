import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import { Trail } from 'aws-cdk-lib/aws-cloudtrail';
import { BlockPublicAccess, Bucket, BucketEncryption } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { except } from './exceptions.js';
import type { Logs } from './logs.js';
import type { Stage } from './stage.js';

/** Records who did what in this account and region, in CloudWatch and in a bucket. Also reports rotations of secrets. */
export class Audit extends Construct {
  /** Write-once storage, also for the access log of the load balancer. */
  readonly bucket: Bucket;

  constructor(scope: Construct, id: string, { stage, logs }: { readonly stage: Stage; readonly logs: Logs }) {
    super(scope, id);
    this.bucket = new Bucket(this, 'Bucket', {
      // The load balancer cannot use a customer-managed key.
      encryption: BucketEncryption.S3_MANAGED,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      versioned: true,
      lifecycleRules: [{ expiration: Duration.days(365), noncurrentVersionExpiration: Duration.days(30) }],
      removalPolicy: RemovalPolicy.RETAIN,
    });
    Validations.of(this.bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason: 'This is the bucket that logs go to; its own would go round in circles.',
    });
    except(this.bucket, { CKV_AWS_18: 'The bucket that logs go to; its own would go round in circles.' });
    const trail = new Trail(this, 'Trail', {
      trailName: stage.serviceName,
      bucket: this.bucket,
      s3KeyPrefix: 'trail',
      isMultiRegionTrail: false,
      enableFileValidation: true,
      sendToCloudWatchLogs: true,
      cloudWatchLogGroup: logs.group('Audit', `/cloudtrail/${stage.serviceName}`),
    });
    except(trail, {
      CKV_AWS_67:
        'The stage is in one region; a trail of the account, for all, is not for a stage to decide.',
      CKV_AWS_35:
        'In CloudWatch with our key; the copy in the bucket has that of S3, as the log of the load balancer must.',
    });
  }
}
