import { buildApp } from './app.js';

// Set by the CDK command line, from the profile or AWS_REGION.
const region = process.env['CDK_DEFAULT_REGION'];
if (region === undefined)
  throw new Error('Run it with "npx cdk", with a region in your profile or AWS_REGION.');
buildApp(region).synth();
