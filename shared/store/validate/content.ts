/**
 * What an operator's object must be inside. The store takes any object whose envelope is right (validate-object.ts), for what
 * is in it may be of another release; who writes one by hand is told here what is wrong with it, since later nobody is.
 * Pure.
 */

import type { KubeObject } from '../kube-object.ts';
import { checkEndpointSlice } from './endpoint-slice.ts';
import { checkNodeStatus, checkPod } from './pod.ts';
import { checkService } from './service.ts';

const CHECKS: Readonly<Record<string, (where: string, object: KubeObject) => void>> = {
  Node: checkNodeStatus,
  Pod: checkPod,
  Service: checkService,
  EndpointSlice: checkEndpointSlice,
};

/** @throws InvalidObjectError naming the value and what to write */
export function validateContent(object: KubeObject): void {
  CHECKS[object.kind]?.(`${object.kind} ${object.metadata.name}`, object);
}
