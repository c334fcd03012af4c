import { CfnResource } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/**
 * Excepts a resource from rules of checkov, which reads them in the template.
 * @param reasons of each rule, by its id
 */
export function except(construct: IConstruct, reasons: Readonly<Record<string, string>>): void {
  const resource = construct.node.defaultChild ?? construct;
  if (!CfnResource.isCfnResource(resource)) throw new TypeError(`${construct.node.path} is no resource`);
  const skip = Object.entries(reasons).map(([id, comment]) => ({ id, comment }));
  resource.addMetadata('checkov', { skip });
}
