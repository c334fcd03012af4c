// A custom resource of CloudFormation: runs an ECS task once and waits for its end. If the task fails, the deployment fails
// before it changes the service. Lambda provides the SDK.
const { ECSClient, RunTaskCommand, waitUntilTasksStopped } = require('@aws-sdk/client-ecs');

/** Lambda ends after 15 minutes, so CloudFormation must have its answer before. */
const WAIT_SECONDS = 13 * 60;

async function runTask({ Cluster, TaskDefinition, Container, Subnets, SecurityGroup }, clientToken) {
  const client = new ECSClient();
  const { tasks = [], failures = [] } = await client.send(
    new RunTaskCommand({
      // If Lambda retries, this finds the running task instead of starting another.
      clientToken,
      cluster: Cluster,
      taskDefinition: TaskDefinition,
      launchType: 'FARGATE',
      networkConfiguration: {
        awsvpcConfiguration: {
          subnets: Subnets,
          securityGroups: [SecurityGroup],
          assignPublicIp: 'DISABLED',
        },
      },
    }),
  );
  if (tasks.length === 0) throw new Error(`The task was not started: ${JSON.stringify(failures)}`);
  const { reason } = await waitUntilTasksStopped(
    { client, maxWaitTime: WAIT_SECONDS, minDelay: 5, maxDelay: 5 },
    { cluster: Cluster, tasks: [tasks[0].taskArn] },
  );
  const [task] = reason.tasks;
  const { exitCode } = task.containers.find(({ name }) => name === Container);
  if (exitCode !== 0) {
    throw new Error(
      `${Container} ended with ${exitCode ?? task.stoppedReason}. See the log of ${task.taskArn}`,
    );
  }
}

exports.handler = async (event) => {
  const answer = { Status: 'SUCCESS', PhysicalResourceId: 'task' };
  try {
    // Deleting the stack deletes the task definition: nothing is left to do.
    if (event.RequestType !== 'Delete') await runTask(event.ResourceProperties, event.RequestId);
  } catch (error) {
    Object.assign(answer, { Status: 'FAILED', Reason: error.message });
  }
  const { StackId, RequestId, LogicalResourceId } = event;
  const body = JSON.stringify({ ...answer, StackId, RequestId, LogicalResourceId });
  await fetch(event.ResponseURL, { method: 'PUT', headers: { 'content-type': '' }, body });
};
