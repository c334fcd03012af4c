import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { json } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';

const { handler } = createRequire(import.meta.url)('../../tasks/run-task.cjs');

type Answers = Record<string, object>;
const TASK = 'arn:aws:ecs:eu-central-1:123456789012:task/cluster/1';
const stopped = (exitCode: number | undefined, stoppedReason = 'Essential container in task exited') => ({
  tasks: [
    { taskArn: TASK, lastStatus: 'STOPPED', stoppedReason, containers: [{ name: 'migrate', exitCode }] },
  ],
});

/** Fakes ECS for the real SDK, and CloudFormation, which waits for the answer. */
async function run(
  t: TestContext,
  RequestType: string,
  answers: Answers,
  { secondsLeft = 14 * 60, before = 'migrations:6' } = {},
) {
  const asked: { action: string; body: unknown }[] = [];
  let told: unknown;
  const server = createServer(async (request, response) => {
    const body = await json(request);
    if (request.method === 'PUT') {
      told = body;
      response.end();
      return;
    }
    const action = String(request.headers['x-amz-target']).replace(/^.*\./, '');
    asked.push({ action, body });
    response.setHeader('content-type', 'application/x-amz-json-1.1');
    response.end(JSON.stringify(answers[action]));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const url = `http://127.0.0.1:${address.port}`;
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_ECS: url,
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  });
  const event = {
    RequestType,
    ResponseURL: `${url}/answer`,
    StackId: 'stack',
    RequestId: 'request',
    LogicalResourceId: 'Migrations',
    ResourceProperties: {
      Cluster: 'cluster',
      TaskDefinition: 'migrations:7',
      Container: 'migrate',
      Subnets: ['subnet-a', 'subnet-b'],
      SecurityGroup: 'sg-1',
      AssignPublicIp: 'DISABLED',
    },
    ...(RequestType === 'Update' && { OldResourceProperties: { TaskDefinition: before } }),
  };
  await handler(event, { getRemainingTimeInMillis: () => secondsLeft * 1000 });
  return { asked, told };
}

const ANSWER = {
  PhysicalResourceId: 'task',
  StackId: 'stack',
  RequestId: 'request',
  LogicalResourceId: 'Migrations',
};

test('runs the task in the private subnets, and succeeds when the task does', async (t) => {
  const { asked, told } = await run(t, 'Update', {
    RunTask: { tasks: [{ taskArn: TASK }] },
    DescribeTasks: stopped(0),
  });
  assert.deepEqual(asked[0], {
    action: 'RunTask',
    body: {
      clientToken: 'request',
      cluster: 'cluster',
      taskDefinition: 'migrations:7',
      launchType: 'FARGATE',
      networkConfiguration: {
        awsvpcConfiguration: {
          subnets: ['subnet-a', 'subnet-b'],
          securityGroups: ['sg-1'],
          assignPublicIp: 'DISABLED',
        },
      },
    },
  });
  assert.deepEqual(asked[1], { action: 'DescribeTasks', body: { cluster: 'cluster', tasks: [TASK] } });
  assert.deepEqual(told, { ...ANSWER, Status: 'SUCCESS' });
});

test('fails with the exit code of the migrations', async (t) => {
  const { told } = await run(t, 'Update', {
    RunTask: { tasks: [{ taskArn: TASK }] },
    DescribeTasks: stopped(1),
  });
  assert.deepEqual(told, {
    ...ANSWER,
    Status: 'FAILED',
    Reason: `migrate ended with 1. See the log of ${TASK}`,
  });
});

test('fails when the migrations did not start', async (t) => {
  const { told } = await run(t, 'Create', {
    RunTask: { tasks: [{ taskArn: TASK }] },
    DescribeTasks: stopped(undefined, 'CannotPullContainerError'),
  });
  assert.deepEqual(told, {
    ...ANSWER,
    Status: 'FAILED',
    Reason: `migrate ended with CannotPullContainerError. See the log of ${TASK}`,
  });
});

test('leaves migrations that take longer than Lambda may to themselves', async (t) => {
  const running = { tasks: [{ taskArn: TASK, lastStatus: 'RUNNING', containers: [] }] };
  const { asked, told } = await run(
    t,
    'Update',
    { RunTask: { tasks: [{ taskArn: TASK }] }, DescribeTasks: running },
    { secondsLeft: 66 },
  );
  assert.ok(asked.every(({ action }) => action === 'RunTask' || action === 'DescribeTasks'));
  assert.deepEqual(told, {
    ...ANSWER,
    Status: 'FAILED',
    Reason: `migrate goes on by itself. When ${TASK} has ended, deploy again. See its log`,
  });
});

test('fails when there is no capacity for the task', async (t) => {
  const { told } = await run(t, 'Update', {
    RunTask: { tasks: [], failures: [{ reason: 'RESOURCE:MEMORY' }] },
    DescribeTasks: {},
  });
  assert.deepEqual(told, {
    ...ANSWER,
    Status: 'FAILED',
    Reason: 'The task was not started: [{"reason":"RESOURCE:MEMORY"}]',
  });
});

test('does nothing when the stack is deleted', async (t) => {
  const { asked, told } = await run(t, 'Delete', { RunTask: {}, DescribeTasks: {} });
  assert.deepEqual(asked, []);
  assert.deepEqual(told, { ...ANSWER, Status: 'SUCCESS' });
});

test('runs nothing when the stack goes back, so that nothing can strand it', async (t) => {
  for (const before of ['migrations:8', 'migrations:10']) {
    const { asked, told } = await run(t, 'Update', {}, { before });
    assert.deepEqual(asked, []);
    assert.deepEqual(told, { ...ANSWER, Status: 'SUCCESS' });
  }
});
