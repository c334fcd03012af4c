// A custom resource of CloudFormation: runs an ECS task once and waits for its end. If the task fails, the deployment fails
// before it changes the service. Lambda provides the SDK.
const { ECSClient, RunTaskCommand, waitUntilTasksStopped } = require('@aws-sdk/client-ecs');

/** CloudFormation must have its answer before Lambda ends this function, in seconds. */
const ANSWER_WITHIN = 60;

async function runTask(
  { Cluster, TaskDefinition, Container, Subnets, SecurityGroup, AssignPublicIp },
  clientToken,
  secondsLeft,
) {
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
          assignPublicIp: AssignPublicIp,
        },
      },
    }),
  );
  if (tasks.length === 0) throw new Error(`The task was not started: ${JSON.stringify(failures)}`);
  const { taskArn } = tasks[0];
  const { reason } = await waitUntilTasksStopped(
    { client, maxWaitTime: secondsLeft - ANSWER_WITHIN, minDelay: 5, maxDelay: 5 },
    { cluster: Cluster, tasks: [taskArn] },
  ).catch((error) => {
    if (error.name !== 'TimeoutError') throw error;
    // It is not stopped: the version before goes on beside it, and has nothing to wait for when the stack goes back to it.
    throw new Error(`${Container} goes on by itself. When ${taskArn} has ended, deploy again. See its log`);
  });
  const [task] = reason.tasks;
  const { exitCode } = task.containers.find(({ name }) => name === Container);
  if (exitCode !== 0) {
    throw new Error(
      `${Container} ended with ${exitCode ?? task.stoppedReason}. See the log of ${task.taskArn}`,
    );
  }
}

/** A stack that goes back asks for the task definition before the one that it has, whose migrations were run when it was new. */
function goesBack({ RequestType, ResourceProperties, OldResourceProperties }) {
  const revision = ({ TaskDefinition }) => Number(TaskDefinition.split(':').at(-1));
  return RequestType === 'Update' && revision(ResourceProperties) < revision(OldResourceProperties);
}

exports.handler = async (event, context) => {
  const answer = { Status: 'SUCCESS', PhysicalResourceId: 'task' };
  try {
    // Deleting the stack deletes the task definition: nothing is left to do. And what cannot fail strands no rollback.
    if (event.RequestType !== 'Delete' && !goesBack(event))
      await runTask(event.ResourceProperties, event.RequestId, context.getRemainingTimeInMillis() / 1000);
  } catch (error) {
    Object.assign(answer, { Status: 'FAILED', Reason: error.message });
  }
  const { StackId, RequestId, LogicalResourceId } = event;
  const body = JSON.stringify({ ...answer, StackId, RequestId, LogicalResourceId });
  await fetch(event.ResponseURL, { method: 'PUT', headers: { 'content-type': '' }, body });
};
