import { readFileSync } from 'node:fs';
import { Template } from 'aws-cdk-lib/assertions';

export const STAGE_STACKS = ['ScoreboardProduction', 'ScoreboardSimple', 'ScoreboardStaging'] as const;
type StackName = (typeof STAGE_STACKS)[number] | 'ScoreboardPipeline';

/** The templates of `npm run synth`. Reading them also detects cycles among the resources. */
export function templateOf(name: StackName): Template {
  return Template.fromJSON(JSON.parse(readFileSync(`dist/cdk.out/${name}.template.json`, 'utf8')));
}

/** A value of a template; the CDK's assertions have no type for it either. */
export type Value = ReturnType<Template['findResources']>[string][string];

/** Logical id and properties of all resources of a type. */
export function resources(template: Template, type: string): [id: string, properties: Value][] {
  return Object.entries(template.findResources(type)).map(([id, { Properties }]) => [id, Properties]);
}

/** The properties of the only resource of a type. */
export function only(template: Template, type: string): Value {
  template.resourceCountIs(type, 1);
  return resources(template, type)[0]?.[1];
}

/** The container of this name, in any task. */
export function container(template: Template, name: string): Value {
  const all = resources(template, 'AWS::ECS::TaskDefinition').flatMap(
    ([, task]) => task.ContainerDefinitions,
  );
  return all.find(({ Name }) => Name === name);
}

/** The subnets of one layer, by logical id. */
export function subnets(template: Template, layer: 'Edge' | 'Service' | 'Data'): string[] {
  return resources(template, 'AWS::EC2::Subnet')
    .filter(([, { Tags }]) =>
      Tags.some((tag: Value) => tag.Key === 'aws-cdk:subnet-name' && tag.Value === layer),
    )
    .map(([id]) => id);
}

/** The gateway of these subnets' default route: an internet gateway, a NAT gateway, or none. */
export function waysOut(template: Template, subnetIds: readonly string[]): string[] {
  const tables = resources(template, 'AWS::EC2::SubnetRouteTableAssociation')
    .filter(([, { SubnetId }]) => subnetIds.includes(SubnetId.Ref))
    .map(([, { RouteTableId }]) => RouteTableId.Ref);
  return resources(template, 'AWS::EC2::Route')
    .filter(([, { RouteTableId }]) => tables.includes(RouteTableId.Ref))
    .map(([, route]) =>
      route.NatGatewayId ? 'NAT gateway' : route.GatewayId ? 'internet gateway' : 'unknown',
    );
}
